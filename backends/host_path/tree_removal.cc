#include "backends/host_path/tree_removal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace claimfs::backends::host_path {
namespace {

// Levels that are gone into, each with a descriptor.
constexpr std::size_t kOpenLevels = 128;
// Names of full directories that one look at a directory remembers.
constexpr std::size_t kMostLeft = 1024;
// Somebody who goes on creating files meanwhile wins.
constexpr int kMostEmptyLooks = 100;
constexpr int kMostSwaps = 10'000;
constexpr unsigned kBlock = 512;

struct CloseDir {
  void operator()(DIR* stream) const { ::closedir(stream); }
};

tl::unexpected<Error> mount_inside(const std::string& path) {
  return failure(EBUSY, "something is mounted on '" + path + "': unmount it first");
}

}  // namespace

Result<Fd> open_inside(int directory, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  Fd opened(static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
  if (!opened) return failure_from_errno();
  return opened;
}

std::string TreeRemoval::path_of(const std::string& name) const {
  std::string path = path_;
  for (const Level& level : levels_) path += "/" + level.name;
  return name.empty() ? path : path + "/" + name;
}

Result<void> TreeRemoval::run() {
  while (true) {
    if (left().empty() && TRY(remove_entries())) {
      if (levels_.empty()) return {};
      TRY_VOID(ascend());
      continue;
    }
    if (left().empty()) continue;  // more than one look can hold
    const std::string name = std::move(left().front());
    left().pop_front();
    TRY_VOID(descend(name));
  }
}

// Removes what can be removed at once, and remembers directories that are full. True when nothing
// was there.
Result<bool> TreeRemoval::remove_entries() {
  // A descriptor of its own: the stream's place is not the directory's.
  Fd again(::openat(directory(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again) return failure_from_errno(path_of(""));
  const std::unique_ptr<DIR, CloseDir> stream(::fdopendir(again.get()));
  if (!stream) return failure_from_errno(path_of(""));
  (void)again.release();  // the stream's now
  bool is_empty = true;
  while (left().size() < kMostLeft) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (!entry) {
      if (errno != 0) return failure_from_errno(path_of(""));
      return is_empty;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    is_empty = false;
    if (stop_.stop_requested()) return failure(ECANCELED);
    TRY_VOID(remove_entry(entry->d_name, entry->d_type == DT_DIR));
  }
  return false;
}

Result<void> TreeRemoval::remove_entry(const char* name, bool is_directory) {
  if (!is_directory) {
    count(name);
    if (::unlinkat(directory(), name, 0) == 0) {
      ++progress_.files;
      return {};
    }
    if (errno == ENOENT) return {};
    if (errno == EBUSY) return mount_inside(path_of(name));
    // A directory after all (some filesystems do not say, and it may have been swapped): EISDIR, or
    // by POSIX EPERM, which an immutable file gives, too.
    struct stat state {};
    const int why = errno;
    if (::fstatat(directory(), name, &state, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(state.st_mode))
      return failure(why, path_of(name));
  }
  if (::unlinkat(directory(), name, AT_REMOVEDIR) == 0) {
    ++progress_.files;
  } else if (errno == ENOTEMPTY || errno == EEXIST) {
    left().emplace_back(name);
  } else if (errno == EBUSY) {
    return mount_inside(path_of(name));
  } else if (errno != ENOENT && errno != ENOTDIR) {  // swapped: the next look sees what it is now
    return failure_from_errno(path_of(name));
  }
  return {};
}

// The space that goes with this name.
void TreeRemoval::count(const char* name) {
  struct stat state {};
  if (::fstatat(directory(), name, &state, AT_SYMLINK_NOFOLLOW) == 0 && state.st_nlink == 1)
    progress_.bytes += static_cast<std::uint64_t>(state.st_blocks) * kBlock;
}

// Goes into a directory. One that is deeper than descriptors are kept open for is first moved up to
// the root of the tree: the way back is never "..", which would lead wherever somebody has moved
// the directory to meanwhile.
Result<void> TreeRemoval::descend(const std::string& name) {
  if (levels_.size() >= kOpenLevels) return move_up(name);
  auto opened = open_inside(directory(), name);
  if (!opened) {
    const int code = opened.error().code;
    if (code == EXDEV) return mount_inside(path_of(name));
    // Gone, or no directory any more: the next look at this level sees what it is now.
    if (code == ENOENT) return {};
    if (code == ENOTDIR || code == ELOOP) {
      if (++swaps_ < kMostSwaps) return {};
      return failure(EBUSY, "'" + path_of(name) + "' is exchanged again and again");
    }
    return failure(code, path_of(name));
  }
  levels_.push_back({.name = name, .directory = std::move(*opened), .left = {}, .empty_looks = 0});
  return {};
}

Result<void> TreeRemoval::move_up(const std::string& name) {
  while (true) {
    const std::string free = ".claimfs-removing-" + std::to_string(moved_up_++);
    if (::renameat2(directory(), name.c_str(), root_, free.c_str(), RENAME_NOREPLACE) == 0 ||
        errno == ENOENT)
      return {};
    if (errno == EBUSY) return mount_inside(path_of(name));
    if (errno != EEXIST) return failure_from_errno(path_of(name));
  }
}

// The level is empty: it goes, and the one above is next.
Result<void> TreeRemoval::ascend() {
  Level& level = levels_.back();
  const int above = levels_.size() > 1 ? levels_[levels_.size() - 2].directory.get() : root_;
  if (::unlinkat(above, level.name.c_str(), AT_REMOVEDIR) == 0) {
    ++progress_.files;
  } else if (errno == ENOTEMPTY || errno == EEXIST) {
    // Somebody has put something into it, or something else in its place.
    if (++level.empty_looks < kMostEmptyLooks) return {};
    return failure(ENOTEMPTY, "'" + path_of("") + "' is filled again and again");
  } else if (errno == EBUSY) {
    return mount_inside(path_of(""));
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return failure_from_errno(path_of(""));
  }
  levels_.pop_back();
  return {};
}

}  // namespace claimfs::backends::host_path
