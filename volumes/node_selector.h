#pragma once

#include <string>
#include <vector>

#include "volumes/label_selector.h"

namespace claimfs::volumes {

// spec.nodeAffinity.required of a volume. Terms are alternatives; a term without requirements
// matches no node.
struct NodeSelector {
  struct Term {
    std::vector<Requirement> expressions;  // on the node's labels
    std::vector<Requirement> fields;       // on metadata.name
  };
  std::vector<Term> terms;

  static NodeSelector from(const Json& required);
  bool matches(const std::string& node_name, const StringMap& node_labels) const;
};

}  // namespace claimfs::volumes
