#include "cli/mount_point.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/daemon_search.h"

namespace claimfs::cli {
namespace {

constexpr std::string_view kType = "fuse.claimfs";
constexpr auto kDaemonEnds = std::chrono::seconds(30);

// mountinfo writes blanks, tabs, newlines and backslashes in octal.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string reason() { return std::strerror(errno); }

}  // namespace

// Of the calls that tell, statfs is the one that no cache answers.
bool is_dead_mount(const std::string& mount_point) {
  struct statvfs state {};
  return daemons_of(mount_point).empty() && ::statvfs(mount_point.c_str(), &state) != 0 &&
         errno == ENOTCONN;
}

std::vector<MountEntry> mounts_of_process(const std::string& process) {
  std::vector<MountEntry> mounts;
  std::ifstream file("/proc/" + process + "/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    int id = 0;
    int parent = 0;
    std::string device, root, at, field, type;
    fields >> id >> parent >> device >> root >> at;
    while (fields >> field && field != "-") {
    }
    fields >> type;
    mounts.push_back({device, unescaped(root), unescaped(at), type, id, parent});
  }
  return mounts;
}

std::optional<MountEntry> mount_at(const std::string& path) {
  std::optional<MountEntry> found;
  for (MountEntry& entry : mounts_of_process("self")) {
    if (entry.mount_point == path) found = std::move(entry);
  }
  return found;
}

Outcome<std::string> absolute_mount_point(const std::string& path) {
  if (path.empty()) return fail(ExitStatus::Usage, "the mount point is empty");
  std::error_code error;
  std::filesystem::path whole = std::filesystem::absolute(path, error).lexically_normal();
  if (error) return fail(ExitStatus::Failed, path + ": " + error.message());
  if (!whole.has_filename()) whole = whole.parent_path();
  if (!whole.has_filename()) return fail(ExitStatus::Failed, "/ cannot be the mount point");
  const auto parent = std::filesystem::canonical(whole.parent_path(), error);
  if (error)
    return fail(ExitStatus::Failed, "mount point " + path + ": " + whole.parent_path().string() +
                                        ": " + error.message());
  return parent / whole.filename();
}

Outcome<void> check_mount_point(const std::string& path, bool may_be_full) {
  if (const auto mount = mount_at(path)) {
    if (mount->type == kType && is_dead_mount(path)) {
      return fail(ExitStatus::Failed,
                  path + " is the mount of a claimfs daemon that died: run claimfs unmount " +
                      path + " first");
    }
    return fail(ExitStatus::Failed, path + " is already mounted (" + mount->type + ")");
  }
  struct stat attributes {};
  if (::lstat(path.c_str(), &attributes) != 0) {
    return fail(errno == EACCES ? ExitStatus::NotPermitted : ExitStatus::Failed,
                "mount point " + path + ": " + reason() +
                    (errno == ENOENT ? ": create it with mkdir" : ""));
  }
  if (!S_ISDIR(attributes.st_mode))
    return fail(ExitStatus::Failed, "mount point " + path + " is not a directory");
  if (may_be_full) return {};
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return fail(ExitStatus::Failed, "mount point " + path + ": " + reason());
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      return fail(
          ExitStatus::Failed,
          "mount point " + path +
              " is not empty: what is in it would be hidden (-o nonempty mounts all the same)");
    }
  }
  return {};
}

Outcome<ExitStatus> unmount(const std::string& mount_point) {
  const auto path = absolute_mount_point(mount_point);
  if (!path) return tl::unexpected(path.error());
  const auto mount = mount_at(*path);
  if (!mount) return fail(ExitStatus::Failed, *path + " is not mounted");
  if (mount->type != kType)
    return fail(ExitStatus::Failed, *path + " is not a claimfs mount but " + mount->type);
  const std::vector<Daemon> daemons = daemons_of(*path);
  if (::umount2(path->c_str(), UMOUNT_NOFOLLOW) != 0) {
    if (errno == EPERM)
      return fail(ExitStatus::NotPermitted, "unmounting " + *path + " takes root: try sudo");
    // A dead connection keeps nothing that could be lost: whoever still holds the mount gets errors
    // anyway.
    const int reason_code = errno;
    if (!is_dead_mount(*path) || ::umount2(path->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      return fail(
          reason_code == EBUSY ? ExitStatus::InUse : ExitStatus::Failed,
          "cannot unmount " + *path + ": " + std::strerror(reason_code) +
              (reason_code == EBUSY ? ": something still uses it (fuser -vm " + *path + " names it)"
                                    : ""));
    }
  }
  for (const Daemon& daemon : daemons) {
    if (!daemon.wait_for_end(kDaemonEnds)) {
      return fail(ExitStatus::Failed, *path + " is unmounted, but its daemon (pid " +
                                          std::to_string(daemon.pid()) +
                                          ") has not ended: a volume's storage may hang");
    }
  }
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
