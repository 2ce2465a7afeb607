#pragma once

#include <string>
#include <vector>

#include "volumes/metadata.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// One line of matchExpressions. An unknown operator matches nothing.
struct Requirement {
  std::string key;
  std::string op;  // In, NotIn, Exists, DoesNotExist; for nodes also Gt, Lt
  std::vector<std::string> values;

  static std::vector<Requirement> list_from(const Json& expressions);
  bool matches(const StringMap& labels) const;
};

// A metav1.LabelSelector: everything that it says must hold; an empty one matches all.
struct LabelSelector {
  StringMap labels;
  std::vector<Requirement> expressions;

  static LabelSelector from(const Json& selector);
  bool matches(const StringMap& object_labels) const;
};

}  // namespace claimfs::volumes
