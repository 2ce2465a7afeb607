#include "volumes/provisioners.h"

#include <algorithm>
#include <array>

namespace claimfs::volumes {

bool is_ours(std::string_view provisioner) {
  constexpr std::array kOurs = {kOurHostPath, kOurNfs, kLocalPath, kNfsSubdir, kNfsCsi};
  return std::ranges::find(kOurs, provisioner) != kOurs.end();
}

InTreePlugin in_tree_plugin(std::string_view provisioner) {
  if (provisioner == kInTreeHostPath) return InTreePlugin::HostPath;
  if (provisioner == "kubernetes.io/nfs" || provisioner == "kubernetes.io/local-volume")
    return InTreePlugin::NotProvisionable;
  return InTreePlugin::Unknown;
}

}  // namespace claimfs::volumes
