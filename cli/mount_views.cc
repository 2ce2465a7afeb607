#include "cli/mount_views.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/process_ids.h"

namespace claimfs::cli {
namespace {

// What the kernel puts behind the name of what is no longer found by it, in links and in tables.
constexpr std::string_view kDeletedLink = " (deleted)";
constexpr std::string_view kDeletedRoot = "//deleted";

// `directory` and what is behind it; "/" adds nothing of its own.
std::string joined(const std::string& directory, std::string_view rest) {
  if (directory == "/") return rest.empty() ? "/" : std::string(rest);
  return directory + (rest == "/" ? "" : std::string(rest));
}

std::string path_through(const MountEntry& mount, std::string_view link) {
  return joined(mount.root,
                mount.mount_point == "/" ? link : link.substr(mount.mount_point.size()));
}

}  // namespace

bool is_within(std::string_view path, std::string_view directory) {
  return directory == "/" || (path.starts_with(directory) &&
                              (path.size() == directory.size() || path[directory.size()] == '/'));
}

std::string link_text(const std::string& link) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = ::readlink(link.c_str(), text.data(), text.size());
  return size <= 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
}

MountViews::MountViews(const std::string& device)
    : device_(device), own_namespace_(link_text("/proc/self/ns/mnt")) {
  // A chroot's table has only what stands below its root.
  std::set<std::pair<std::string, std::string>> seen;
  const auto look = [&](pid_t pid) {
    const std::string process = "/proc/" + std::to_string(pid);
    const std::string mount_namespace = link_text(process + "/ns/mnt");
    const std::string root = link_text(process + "/root");
    // It has ended, or is not ours to look at.
    if (mount_namespace.empty() || root.empty()) return false;
    if (seen.emplace(mount_namespace, root).second) add(pid, mount_namespace, root);
    if (pid != ::getpid()) viewers_.push_back({pid, mount_namespace});
    return true;
  };
  look(::getpid());
  for (const pid_t pid : other_processes()) look(pid);
}

void MountViews::add(pid_t pid, const std::string& mount_namespace, const std::string& root) {
  Namespace& known = namespaces_[mount_namespace];
  if (known.pid == 0 && mount_namespace != own_namespace_) known.pid = pid;
  for (MountEntry& mount : mounts_of_process(std::to_string(pid))) {
    mount.mount_point = joined(root, mount.mount_point);
    if (mount.root.ends_with(kDeletedRoot))
      mount.root.resize(mount.root.size() - kDeletedRoot.size());
    if (is_of(mount)) places_.insert(mount.mount_point);
    if (by_id_.emplace(mount.id, mount).second) known.mounts.push_back(std::move(mount));
  }
}

bool MountViews::is_elsewhere(std::string_view link) const {
  return std::ranges::none_of(places_,
                              [link](const std::string& place) { return is_within(link, place); });
}

// The innermost, and of several at one place the last one made, as a path is looked up.
const MountEntry* MountViews::mount_over(const std::string& mount_namespace,
                                         std::string_view path) const {
  const MountEntry* found = nullptr;
  const auto known = namespaces_.find(mount_namespace);
  if (known == namespaces_.end()) return found;
  for (const MountEntry& mount : known->second.mounts) {
    if (is_within(path, mount.mount_point) &&
        (!found || mount.mount_point.size() >= found->mount_point.size()))
      found = &mount;
  }
  return found;
}

std::optional<std::string> MountViews::path_of(const Viewer& viewer, std::string_view link) const {
  if (link.ends_with(kDeletedLink)) link.remove_suffix(kDeletedLink.size());
  const MountEntry* mount = mount_over(viewer.mount_namespace, link);
  // Where everybody in a namespace has changed their root into the mount, no table shows it: the
  // link says the place that it was copied from.
  if (!mount) mount = mount_over(own_namespace_, link);
  if (!mount || !is_of(*mount)) return {};
  return path_through(*mount, link);
}

std::optional<std::string> MountViews::path_of_descriptor(const Viewer& viewer,
                                                          std::string_view link,
                                                          int mount_id) const {
  const auto found = by_id_.find(mount_id);
  if (found == by_id_.end()) return path_of(viewer, link);
  const MountEntry& mount = found->second;
  if (!is_of(mount)) return {};
  if (link.ends_with(kDeletedLink)) link.remove_suffix(kDeletedLink.size());
  return is_within(link, mount.mount_point) ? path_through(mount, link) : mount.root;
}

std::optional<std::string> MountViews::path_below(const MountEntry& mount) const {
  const auto parent = by_id_.find(mount.parent);
  if (parent == by_id_.end() || !is_of(parent->second) ||
      !is_within(mount.mount_point, parent->second.mount_point))
    return {};
  return path_through(parent->second, mount.mount_point);
}

}  // namespace claimfs::cli
