#pragma once

#include <string>

#include "volumes/metadata.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// That a node (or a pod on it) has a claim's volume in use: claimfs.io/v1alpha1 Attachment. A
// Terminating claim stays for as long as it has one. metadata.name is its maker's to choose.
struct Attachment {
  Metadata metadata;
  std::string volume;
  std::string name_space;  // of the claim
  std::string claim;
  std::string node;
  bool read_only = false;

  static Attachment from(const Object& object);
  bool is_of(const std::string& claim_name_space, const std::string& claim_name) const {
    return name_space == claim_name_space && claim == claim_name;
  }
  // The whole document; uid and creationTimestamp are the caller's to add.
  Json document() const;
};

}  // namespace claimfs::volumes
