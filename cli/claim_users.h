#pragma once

#include <string>

namespace claimfs::cli {

// Whether a process other than ours has its working directory or root in `path_in_mount`
// ("/default/data") of the mount at `mount_point`, or a bind mount of it. A search through /proc:
// it misses detached mounts and namespaces that only a descriptor holds, which for an empty
// directory is good enough. Does not look into the mount.
bool is_used_by_processes(const std::string& mount_point, const std::string& path_in_mount);

// Whether something is mounted inside it, in any mount namespace that a process is in.
bool has_mounts_inside(const std::string& mount_point, const std::string& path_in_mount);

}  // namespace claimfs::cli
