#include "backends/host_path/ground.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "backends/host_path/tree_removal.h"
#include "base/fd.h"

namespace claimfs::backends {
namespace {

using host_path::open_inside;
using host_path::TreeRemoval;

constexpr mode_t kOnTheWay = 0755;
constexpr int kMostArchives = 10'000;

// A path without "." and doubled or trailing slashes. EINVAL for what no volume can be.
Result<std::string> cleaned(const std::string& path) {
  if (!path.starts_with('/')) return failure(EINVAL, "'" + path + "' is not an absolute path");
  if ((path + "/").find("/../") != std::string::npos)
    return failure(EINVAL, "'" + path + "' has '..' in it");
  std::string clean = std::filesystem::path(path).lexically_normal().string();
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  if (clean == "/") return failure(EINVAL, "'/' is never removed");
  return clean;
}

// Opens a directory by its path, in which nothing may be a symlink.
Result<Fd> open_directory(const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  Fd opened(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (opened) return opened;
  if (errno == ELOOP)
    return failure(ELOOP, "a symlink stands in the way to '" + path + "', and is not followed");
  return failure_from_errno("'" + path + "'");
}

// Where something that must stay is mounted: on the path (if that counts) or below it.
Result<void> expect_no_mount(const std::string& path, bool on_itself_too) {
  const std::unique_ptr<FILE, int (*)(FILE*)> mounts(::setmntent("/proc/self/mounts", "re"),
                                                     ::endmntent);
  if (!mounts) return failure_from_errno("/proc/self/mounts");
  mntent entry{};
  std::array<char, 4 * PATH_MAX> buffer{};
  while (::getmntent_r(mounts.get(), &entry, buffer.data(), buffer.size())) {
    const std::string where = entry.mnt_dir;
    if ((on_itself_too && where == path) || where.starts_with(path + "/"))
      return failure(EBUSY, "something is mounted on '" + where + "': unmount it first");
  }
  return {};
}

struct Place {
  Fd parent;
  std::string name;
};

// The directory that a path's last component is in; nothing when there is no such directory.
Result<std::optional<Place>> place_of(const std::string& path) {
  const auto slash = path.rfind('/');
  auto parent = open_directory(slash == 0 ? "/" : path.substr(0, slash));
  if (parent) return Place{std::move(*parent), path.substr(slash + 1)};
  if (parent.error().code == ENOENT) return std::nullopt;
  return failure(parent.error());
}

Result<void> make_parents(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return failure(error.value(), "cannot make the directory '" + path + "'");
  return {};
}

// The last component: under another name first, so that a crash leaves no directory of a wrong
// mode.
Result<void> make_with_mode(int parent, const std::string& name, mode_t mode) {
  const std::string before = ".claimfs-new-" + name.substr(0, 200);
  if (::mkdirat(parent, before.c_str(), 0700) != 0 && errno != EEXIST) return failure_from_errno();
  const Fd made = TRY(open_inside(parent, before));
  if (::fchmod(made.get(), mode) != 0) return failure_from_errno();
  if (::renameat2(parent, before.c_str(), parent, name.c_str(), RENAME_NOREPLACE) != 0) {
    const int code = errno;
    ::unlinkat(parent, before.c_str(), AT_REMOVEDIR);
    if (code != EEXIST) return failure(code);
    TRY_VOID(open_inside(parent, name));  // a directory, and no symlink to one
  }
  // Whoever is told of the directory finds it after a power failure, too.
  if (::fsync(parent) != 0) return failure_from_errno();
  return {};
}

class HostPathGround final : public Ground {
 public:
  Result<void> make_directory(const std::string& base, const std::string& below,
                              mode_t mode) override {
    TRY_VOID(make_parents(base));
    const std::string path = base + "/" + below;
    // The base is the administrator's, and may be reached by symlinks; below it there are none.
    Fd directory(::open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return failure_from_errno("'" + base + "'");
    std::size_t at = 0;
    for (auto slash = below.find('/'); slash != std::string::npos; slash = below.find('/', at)) {
      const std::string name = below.substr(at, slash - at);
      if (::mkdirat(directory.get(), name.c_str(), kOnTheWay) != 0 && errno != EEXIST)
        return failure_from_errno("'" + path + "'");
      auto next = open_inside(directory.get(), name);
      if (!next) return failure(next.error().code, "'" + path + "'");
      directory = std::move(*next);
      at = slash + 1;
    }
    const auto made = make_with_mode(directory.get(), below.substr(at), mode);
    if (!made) return failure(made.error().code, "cannot make the directory '" + path + "'");
    return {};
  }

  Result<void> remove_tree(const std::string& given, RemovalProgress& progress,
                           std::stop_token stop) override {
    const std::string path = TRY(cleaned(given));
    auto place = TRY(place_of(path));
    if (!place) return {};
    TRY_VOID(expect_no_mount(path, /*on_itself_too=*/true));
    auto directory = open_inside(place->parent.get(), place->name);
    if (directory) {
      TRY_VOID(TreeRemoval(directory->get(), path, progress, std::move(stop)).run());
    } else if (directory.error().code == EXDEV) {
      return failure(EBUSY, "something is mounted on '" + path + "': unmount it first");
    } else if (directory.error().code == ENOENT) {
      return {};
    } else if (directory.error().code != ENOTDIR && directory.error().code != ELOOP) {
      return failure(directory.error().code, "'" + path + "'");
    }
    // A file or a symlink goes itself.
    if (::unlinkat(place->parent.get(), place->name.c_str(), directory ? AT_REMOVEDIR : 0) != 0 &&
        errno != ENOENT)
      return failure_from_errno("'" + path + "'");
    ++progress.files;
    return {};
  }

  Result<void> scrub(const std::string& given, RemovalProgress& progress,
                     std::stop_token stop) override {
    const std::string path = TRY(cleaned(given));
    const Fd directory = TRY(open_directory(path));
    TRY_VOID(expect_no_mount(path, /*on_itself_too=*/false));
    return TreeRemoval(directory.get(), path, progress, std::move(stop)).run();
  }

  Result<std::string> archive(const std::string& given, const std::string& name) override {
    const std::string path = TRY(cleaned(given));
    const auto place = TRY(place_of(path));
    if (!place) return std::string();
    const int parent = place->parent.get();
    for (int number = 0; number < kMostArchives; ++number) {
      const std::string to = number == 0 ? name : name + "-" + std::to_string(number);
      if (::renameat2(parent, place->name.c_str(), parent, to.c_str(), RENAME_NOREPLACE) == 0) {
        if (::fsync(parent) != 0) return failure_from_errno("'" + path + "'");
        return path.substr(0, path.rfind('/') + 1) + to;
      }
      if (errno == ENOENT) return std::string();
      if (errno != EEXIST) return failure_from_errno("'" + path + "'");
    }
    return failure(EEXIST, "'" + path + "': too many archives of this name");
  }
};

}  // namespace

std::unique_ptr<Ground> host_path_ground() { return std::make_unique<HostPathGround>(); }

}  // namespace claimfs::backends
