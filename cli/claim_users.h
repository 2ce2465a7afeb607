#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace claimfs::cli {

// Who uses a claim, as a search through /proc finds it: for people to read, never a proof that
// nobody does. It misses what no process shows: detached mounts, mount namespaces that only a
// descriptor holds, descriptors that lie in a socket, overlays and swap, and the maps and
// descriptors of processes that the caller may not look at. Never looks into the mount.

// What tells most comes first.
enum class How { Open, Map, WorkingDirectory, Root, MountPoint, LoopDevice };
std::string_view to_string(How how);

struct ClaimUser {
  // A mount point's: of one process in its mount namespace. 0: a mount point in our own, or a loop
  // device, which belong to no process.
  pid_t pid = 0;
  std::string command;
  std::string pod_uid;  // empty: in no pod
  How how = How::Open;
  std::string what;  // the path in the tree; a mount point's or a loop device's own
};

// What is in use of a mount at one time, of all its claims together: a search takes milliseconds
// for each hundred processes.
class MountUses {
 public:
  // Of nothing when nothing is mounted there.
  static MountUses search(const std::string& mount_point);

  // Who uses `path_in_mount` ("/default/data") or what is below: each process once, each mount
  // point once a namespace. The mount's daemon is no user.
  std::vector<ClaimUser> of(const std::string& path_in_mount) const;

 private:
  struct Use {
    pid_t pid = 0;
    How how = How::Open;
    std::string path;
    std::string what;
  };
  friend class UseSearch;
  std::string mount_point_;
  std::vector<Use> uses_;  // a process's together
};

// MountUses::search and of().
std::vector<ClaimUser> users_of(const std::string& mount_point, const std::string& path_in_mount);

// Whether a process other than ours has its working directory or root there, or a mount namespace
// a mount of it or on it: what an empty directory can be used for, as far as it takes no
// descriptor.
bool is_used_by_processes(const std::string& mount_point, const std::string& path_in_mount);

// Whether something is mounted inside it, in any mount namespace that a process is in.
bool has_mounts_inside(const std::string& mount_point, const std::string& path_in_mount);

}  // namespace claimfs::cli
