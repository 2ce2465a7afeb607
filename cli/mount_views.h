#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/mount_point.h"

namespace claimfs::cli {

// Whether a path is a directory or below it; both without a slash at the end.
bool is_within(std::string_view path, std::string_view directory);

// A symbolic link of /proc as it is written; empty when it cannot be read.
std::string link_text(const std::string& link);

// How the processes of this machine see one mount: where it, or a part of it, is mounted in each
// mount namespace. Made by one look at the mount tables of /proc, never at the mount. Misses what
// is in no table that a process shows: detached mounts, and namespaces that only a descriptor
// holds.
class MountViews {
 public:
  struct Viewer {
    pid_t pid = 0;
    std::string mount_namespace;
  };
  struct Namespace {
    pid_t pid = 0;  // of one process in it; 0: our own
    // Their mount points are as our own links in /proc say them.
    std::vector<MountEntry> mounts;
  };

  explicit MountViews(const std::string& device);  // "0:52"

  // Every process but ours, by pid.
  const std::vector<Viewer>& viewers() const { return viewers_; }
  const std::map<std::string, Namespace>& namespaces() const { return namespaces_; }

  // Without doubt not in the mount: quickly said of nearly every descriptor there is.
  bool is_elsewhere(std::string_view link) const;

  // Which path of the mount ("/default/data/file") a link in /proc/PID leads to; nothing when it
  // leads elsewhere. A descriptor's link is told apart by the mount that it was opened through.
  std::optional<std::string> path_of(const Viewer& viewer, std::string_view link) const;
  std::optional<std::string> path_of_descriptor(const Viewer& viewer, std::string_view link,
                                                int mount_id) const;
  // Where in the mount another one stands; nothing when it stands elsewhere.
  std::optional<std::string> path_below(const MountEntry& mount) const;
  bool is_of(const MountEntry& mount) const { return mount.device == device_; }

 private:
  void add(pid_t pid, const std::string& mount_namespace, const std::string& root);
  const MountEntry* mount_over(const std::string& mount_namespace, std::string_view path) const;

  const std::string device_;
  std::string own_namespace_;
  std::vector<Viewer> viewers_;
  std::map<std::string, Namespace> namespaces_;
  std::map<int, MountEntry> by_id_;
  std::set<std::string> places_;  // mount points of this device, in any namespace
};

}  // namespace claimfs::cli
