#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>

#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// When files were changed by us last, roughly: whether what the server said of one some time ago is
// older than that. It may say so of a file that was not changed, never the other way round.
// Thread-safe, without a lock.
class RecentChanges {
 public:
  using Clock = std::chrono::steady_clock;

  // Before whoever asked for the change is answered.
  void note(const FileHandle& handle) {
    slot(handle).store(Clock::now().time_since_epoch().count(), std::memory_order_release);
  }
  bool is_changed_since(const FileHandle& handle, Clock::time_point then) const {
    return slot(handle).load(std::memory_order_acquire) >= then.time_since_epoch().count();
  }

 private:
  using Slot = std::atomic<Clock::rep>;
  static constexpr std::size_t kSlots = 1024;

  static std::size_t number(const FileHandle& handle) {
    return std::hash<std::string_view>{}(handle.bytes()) % kSlots;
  }
  Slot& slot(const FileHandle& handle) { return slots_[number(handle)]; }
  const Slot& slot(const FileHandle& handle) const { return slots_[number(handle)]; }

  std::array<Slot, kSlots> slots_{};
};

}  // namespace claimfs::backends::nfs
