#pragma once

#include <string>
#include <vector>

#include "volumes/metadata.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// A Pod, as far as storage looks at it.
struct Pod {
  struct ClaimUse {
    std::string claim;
    bool read_only = false;
  };
  Metadata metadata;
  std::string node;   // spec.nodeName; empty: not scheduled
  std::string phase;  // status.phase
  std::vector<ClaimUse> claims;

  static Pod from(const Object& object);

  bool references(const std::string& name_space, const std::string& claim) const;
  bool is_finished() const { return phase == "Succeeded" || phase == "Failed"; }
  // Kubernetes' rule for in-use protection: scheduled and referring to it, finished or not. Source:
  // KUBERNETES.md 4.1.
  bool protects(const std::string& name_space, const std::string& claim) const {
    return !node.empty() && references(name_space, claim);
  }
};

}  // namespace claimfs::volumes
