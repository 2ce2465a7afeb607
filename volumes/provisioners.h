#pragma once

#include <string_view>

namespace claimfs::volumes {

// Provisioners by name. Source: KUBERNETES.md 7.3.
inline constexpr std::string_view kInTreePrefix = "kubernetes.io/";
inline constexpr std::string_view kNoProvisioner = "kubernetes.io/no-provisioner";
inline constexpr std::string_view kInTreeHostPath = "kubernetes.io/host-path";
inline constexpr std::string_view kOurHostPath = "claimfs.io/host-path";
inline constexpr std::string_view kOurNfs = "claimfs.io/nfs";
inline constexpr std::string_view kLocalPath = "rancher.io/local-path";
inline constexpr std::string_view kNfsSubdir = "k8s-sigs.io/nfs-subdir-external-provisioner";
inline constexpr std::string_view kNfsCsi = "nfs.csi.k8s.io";

// Whether claimfs makes and takes back volumes under this name.
bool is_ours(std::string_view provisioner);

// What an in-tree plugin's name stands for where Kubernetes looks for one.
enum class InTreePlugin { Unknown, NotProvisionable, HostPath };
InTreePlugin in_tree_plugin(std::string_view provisioner);

}  // namespace claimfs::volumes
