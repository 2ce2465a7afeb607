#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backends/backend.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"

namespace claimfs::backends {

// POSIX range locks on native files: an open file description for each holder, since closing it
// lets go of them all. Files are told apart by their inode's key. Thread-safe; set() with `wait`
// blocks, the others do not.
class NativeLocks {
 public:
  // Opens the native file anew with these flags.
  using Open = std::function<Result<Fd>(int flags)>;

  // As Backend::test_lock, set_lock and drop_locks.
  Result<RangeLock> test(std::string_view key, const RangeLock& lock, const Open& open);
  Result<void> set(std::string_view key, const RangeLock& lock, bool wait, const Open& open);
  void drop(std::string_view key, std::uint64_t owner);

 private:
  using Holder = std::pair<std::string, std::uint64_t>;
  std::shared_ptr<Fd> known(const Holder& holder) const;

  Guarded<std::map<Holder, std::shared_ptr<Fd>>> descriptors_;
};

}  // namespace claimfs::backends
