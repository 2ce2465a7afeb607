#pragma once

#include <string>
#include <string_view>

namespace claimfs::fs {

// The uid of the pod that a process is in, from the text of its /proc/PID/cgroup (cgroup v1, v2 or
// both): as Kubernetes writes it, with dashes, without them a static pod's. Empty: in no pod, or in
// what only looks like one. Understands the kubelet's cgroupfs and systemd drivers, below whatever
// the kubelet itself runs in. Of a pod within a pod it is the outer one, the node's; what users
// make below their own slice is none.
// Source: Kubernetes pkg/kubelet/cm/{cgroup_manager_linux,pod_container_manager_linux}.go.
std::string pod_uid_of_cgroups(std::string_view text);

}  // namespace claimfs::fs
