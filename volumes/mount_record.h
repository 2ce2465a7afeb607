#pragma once

#include <set>
#include <string>

#include "volumes/metadata.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// One live mount: claimfs.io/v1alpha1 Mount. It hangs on its daemon's lease, and is in the store
// before the daemon has looked at any claim.
struct MountRecord {
  Metadata metadata;
  std::string node;
  std::string mount_point;
  // The number of its connection under /sys/fs/fuse/connections; 0: not mounted yet.
  unsigned connection = 0;
  // Uids of claims being deleted of which the kernel holds nothing through this mount, and through
  // which nobody will be admitted again. A claim goes when every mount has said so.
  std::set<std::string> released;

  static MountRecord from(const Object& object);
  // The whole document; uid and creationTimestamp are the caller's to add.
  Json document() const;
};

}  // namespace claimfs::volumes
