#include "cli/claim_users.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "cli/mount_point.h"

namespace claimfs::cli {
namespace {

bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

bool stands_in(const std::filesystem::path& process, const std::string& directory) {
  return std::ranges::any_of(std::array{"cwd", "root"}, [&](const char* link) {
    std::error_code error;
    return is_within(std::filesystem::read_symlink(process / link, error).string(), directory);
  });
}

}  // namespace

bool is_used_by_processes(const std::string& mount_point, const std::string& path_in_mount) {
  const auto mount = mount_at(mount_point);
  if (!mount) return false;
  const std::string own = std::to_string(::getpid());
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos || name == own) continue;
    if (stands_in(entry->path(), mount_point + path_in_mount)) return true;
    for (const MountEntry& each : mounts_of_process(name)) {
      if (each.device == mount->device && is_within(each.root, path_in_mount)) return true;
    }
  }
  return false;
}

bool has_mounts_inside(const std::string& mount_point, const std::string& path_in_mount) {
  const auto tree = mount_at(mount_point);
  if (!tree) return false;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto mounts = mounts_of_process(name);
    for (const MountEntry& each : mounts) {
      if (each.device != tree->device) continue;
      // Where the claim's directory is to be seen through this mount, if it is.
      std::string at = each.mount_point;
      if (is_within(path_in_mount, each.root))
        at += path_in_mount.substr(each.root == "/" ? 0 : each.root.size());
      else if (!is_within(each.root, path_in_mount))
        continue;
      if (std::ranges::any_of(mounts, [&](const MountEntry& other) {
            return &other != &each && is_within(other.mount_point, at);
          }))
        return true;
    }
  }
  return false;
}

}  // namespace claimfs::cli
