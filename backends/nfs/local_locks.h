#pragma once

#include <map>
#include <memory>
#include <string>

#include "backends/native_locks.h"
#include "backends/nfs/file.h"

namespace claimfs::backends::nfs {

// Locks of a volume that nobody else uses. The kernel keeps them, on a file in memory that stands
// for the volume's: waiting, interrupting and letting go at the last close are as on a local disk.
class LocalLocks {
 public:
  Result<RangeLock> test(std::string_view key, const RangeLock& lock);
  // Blocks while it waits, as Backend::set_lock and flock.
  Result<void> set(std::string_view key, const RangeLock& lock, bool wait);
  Result<void> flock(NfsFile& file, int operation, bool wait);
  void drop(std::string_view key, std::uint64_t owner);

 private:
  // The file in memory, opened anew.
  Result<Fd> open(std::string_view key, int flags);

  NativeLocks locks_;
  // One for each file that was ever locked; more than so many are refused.
  Guarded<std::map<std::string, Fd, std::less<>>> grounds_;
};

}  // namespace claimfs::backends::nfs
