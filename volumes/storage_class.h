#pragma once

#include <span>
#include <string>
#include <vector>

#include "volumes/metadata.h"
#include "volumes/node_selector.h"
#include "volumes/object.h"
#include "volumes/volume.h"

namespace claimfs::volumes {

// A StorageClass, as far as decisions look at it.
struct StorageClass {
  Metadata metadata;
  std::string provisioner;
  bool waits_for_consumer = false;  // volumeBindingMode: WaitForFirstConsumer
  bool allows_expansion = false;
  ReclaimPolicy reclaim_policy = ReclaimPolicy::Delete;  // of the volumes that are made for it
  StringMap parameters;
  std::vector<std::string> mount_options;
  NodeSelector allowed_topologies;  // without terms: everywhere

  static StorageClass from(const Object& object);
  bool is_default() const;
};

// The class that a claim without one gets: the newest of those marked as default, at equal age the
// lexically first. Null when none is. Source: KUBERNETES.md 1.6.
const StorageClass* default_class(std::span<const StorageClass> classes);

const StorageClass* find_class(std::span<const StorageClass> classes, std::string_view name);

}  // namespace claimfs::volumes
