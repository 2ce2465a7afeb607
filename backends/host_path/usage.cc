#include "backends/host_path/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

namespace claimfs::backends::host_path {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Depth first with one open directory a level; deeper levels than descriptors can be held are not
// counted.
constexpr std::size_t kDeepest = 200;

}  // namespace

Counted count_directory(int root, const std::function<bool()>& is_ending) {
  Counted counted;
  const auto add = [&counted](const struct stat& found) {
    counted.bytes += static_cast<std::uint64_t>(found.st_blocks) * 512;
  };
  std::set<ino_t> linked;  // hard links count once
  struct stat found {};
  if (::fstat(root, &found) != 0) return {.bytes = 0, .is_complete = false};
  const dev_t device = found.st_dev;
  add(found);
  std::vector<Directory> path;
  const int first = ::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (first < 0) return {.bytes = counted.bytes, .is_complete = false};
  path.emplace_back(::fdopendir(first));
  while (!path.empty() && !is_ending()) {
    const dirent* entry = ::readdir(path.back().get());
    if (!entry) {
      path.pop_back();
      continue;
    }
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    const int directory = ::dirfd(path.back().get());
    if (::fstatat(directory, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        found.st_dev != device)
      continue;
    if (!S_ISDIR(found.st_mode) && found.st_nlink > 1 && !linked.insert(found.st_ino).second)
      continue;
    add(found);
    if (!S_ISDIR(found.st_mode)) continue;
    int below = -1;
    if (path.size() < kDeepest)
      below = ::openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0)
      path.emplace_back(::fdopendir(below));
    else if (path.size() >= kDeepest || errno != ENOENT)
      counted.is_complete = false;
  }
  return counted;
}

}  // namespace claimfs::backends::host_path
