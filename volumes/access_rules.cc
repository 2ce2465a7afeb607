#include "volumes/access_rules.h"

#include "volumes/nfs_options.h"

namespace claimfs::volumes {

bool is_read_only(const Claim& claim, const Volume& volume) {
  if (claim.access_modes == AccessModes{AccessMode::ReadOnlyMany}) return true;
  return is_read_only_nfs(volume);
}

std::int64_t capacity_bytes(const Claim& claim, const Volume& volume) {
  return claim.status_capacity.value_or(volume.capacity).bytes();
}

std::optional<std::string> cannot_mount(const Volume& volume, const std::string& node_name,
                                        const StringMap& node_labels) {
  if (volume.node_affinity && !volume.node_affinity->matches(node_name, node_labels)) {
    return "MountVolume.NodeAffinity check failed for volume \"" + volume.metadata.name +
           "\" : no matching NodeSelectorTerms";
  }
  const bool is_directory_of_host = std::holds_alternative<HostPathSource>(volume.source) ||
                                    std::holds_alternative<LocalSource>(volume.source);
  if (is_directory_of_host && !volume.mount_options.empty()) {
    return "MountVolume.MountOptionSupport check failed for volume \"" + volume.metadata.name +
           "\" : mount options are not supported for this volume type";
  }
  return std::nullopt;
}

}  // namespace claimfs::volumes
