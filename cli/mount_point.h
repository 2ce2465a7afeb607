#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/failure.h"

namespace claimfs::cli {

// A line of /proc/self/mountinfo.
struct MountEntry {
  std::string device;  // "0:52"
  std::string root;
  std::string mount_point;
  std::string type;
  int id = 0;
  int parent = 0;  // the id of the mount that it stands on
};
std::vector<MountEntry> mounts_of_process(const std::string& process);  // a pid, or "self"

// The mount that stands on a path, the last one made; nothing when none does. Does not look into
// the mount.
std::optional<MountEntry> mount_at(const std::string& path);

// Whether a mount's daemon has ended. A daemon that lives is not asked, since it may hang.
bool is_dead_mount(const std::string& mount_point);

// The absolute path of a mount point, symlinks in the way to it resolved; the last component is not
// looked at, so that a dead mount can be named.
Outcome<std::string> absolute_mount_point(const std::string& path);

// Refuses what cannot be mounted on: missing, no directory, not empty, mounted already.
Outcome<void> check_mount_point(const std::string& path, bool may_be_full);

// `claimfs unmount`: ends the mount and waits until its daemon is gone; a mount whose daemon died
// is removed.
Outcome<ExitStatus> unmount(const std::string& mount_point);

}  // namespace claimfs::cli
