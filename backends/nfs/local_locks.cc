#include "backends/nfs/local_locks.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <cerrno>

namespace claimfs::backends::nfs {

namespace {

constexpr std::size_t kMostFiles = 8'192;

}  // namespace

Result<Fd> LocalLocks::open(std::string_view key, int flags) {
  const Result<std::string> path = grounds_.with([&](auto& grounds) -> Result<std::string> {
    auto found = grounds.find(key);
    if (found == grounds.end()) {
      if (grounds.size() >= kMostFiles) return failure(ENOLCK);
      Fd made(::memfd_create("claimfs-locks", MFD_CLOEXEC));
      if (!made) return failure_from_errno();
      found = grounds.emplace(std::string(key), std::move(made)).first;
    }
    return "/proc/self/fd/" + std::to_string(found->second.get());
  });
  if (!path) return failure(path.error());
  Fd opened(::open(path->c_str(), flags | O_CLOEXEC));
  if (!opened) return failure_from_errno();
  return opened;
}

Result<RangeLock> LocalLocks::test(std::string_view key, const RangeLock& lock) {
  return locks_.test(key, lock, [&](int flags) { return open(key, flags); });
}

Result<void> LocalLocks::set(std::string_view key, const RangeLock& lock, bool wait) {
  return locks_.set(key, lock, wait, [&](int flags) { return open(key, flags); });
}

void LocalLocks::drop(std::string_view key, std::uint64_t owner) { locks_.drop(key, owner); }

Result<void> LocalLocks::flock(NfsFile& file, int operation, bool wait) {
  int ground = -1;
  {
    std::scoped_lock lock(file.locking);
    if (!file.lock_ground) file.lock_ground = TRY(open(file.handle().bytes(), O_RDWR));
    ground = file.lock_ground.get();
  }
  if (::flock(ground, operation | (wait ? 0 : LOCK_NB)) != 0) return failure_from_errno();
  return {};
}

}  // namespace claimfs::backends::nfs
