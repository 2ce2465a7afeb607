#include "control/manifest_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/fd.h"

namespace claimfs::control {
namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;
// Two ticks of the slowest clock that kernels are built with (CONFIG_HZ=100).
constexpr std::int64_t kTick_ns = 20'000'000;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * kSecond_ns + time.tv_nsec;
}

struct CloseDirectory {
  void operator()(DIR* entries) const { closedir(entries); }
};

}  // namespace

FileSignature::FileSignature(const struct stat& status)
    : device(status.st_dev),
      inode(status.st_ino),
      size_bytes(status.st_size),
      modified_ns(nanoseconds(status.st_mtim)),
      changed_ns(nanoseconds(status.st_ctim)) {}

bool FileSignature::is_recent(std::int64_t now_ns) const {
  // A server's clock may be ahead of ours; that says nothing.
  return changed_ns > now_ns - kTick_ns && changed_ns < now_ns + kTick_ns;
}

std::int64_t FileSignature::now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

bool is_manifest_name(std::string_view name) {
  constexpr std::array<std::string_view, 3> kExtensions = {".yaml", ".yml", ".json"};
  return !name.starts_with('.') && !name.starts_with('#') &&
         std::ranges::any_of(kExtensions, [name](auto end) { return name.ends_with(end); });
}

Result<ManifestListing> list_manifests(const std::string& directory) {
  Fd descriptor(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!descriptor || fstat(descriptor.get(), &status) != 0) return failure_from_errno();
  const FileSignature before(status);
  const std::int64_t start_ns = FileSignature::now_ns();
  ManifestListing listing{.device = before.device, .is_settled = false, .files = {}};
  const std::unique_ptr<DIR, CloseDirectory> entries(fdopendir(descriptor.get()));
  if (!entries) return failure_from_errno();
  const int at = descriptor.release();  // it is the stream's now
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(entries.get());  // NOLINT(concurrency-mt-unsafe): its own stream
    if (!entry) break;
    const char* name = static_cast<const char*>(entry->d_name);
    if (!is_manifest_name(name)) continue;
    std::optional<FileSignature> signature;
    if (fstatat(at, name, &status, 0) == 0) {
      if (!S_ISREG(status.st_mode)) continue;
      signature.emplace(status);
    } else if (errno == ENOENT && entry->d_type != DT_LNK) {
      continue;  // it went just now
    }
    listing.files.emplace(directory + "/" + name, signature);
  }
  if (errno != 0 || fstat(at, &status) != 0) return failure_from_errno();
  listing.is_settled = FileSignature(status) == before && !before.is_recent(start_ns);
  return listing;
}

}  // namespace claimfs::control
