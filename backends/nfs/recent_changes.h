#pragma once

#include <chrono>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// When files were changed by us last: whether what the server said of one some time ago is older
// than that. It may say so of a file that was not changed, never the other way round. Thread-safe.
class RecentChanges {
 public:
  using Clock = std::chrono::steady_clock;
  // Of more it forgets which they were, and says so of all: 3 MB.
  static constexpr std::size_t kMost = 65'536;

  // Before whoever asked for the change is answered.
  void note(const FileHandle& handle) {
    const std::scoped_lock lock(mutex_);
    if (changed_at_.size() >= kMost) {
      changed_at_.clear();
      all_at_ = Clock::now();
    }
    changed_at_[HashOfHandle{}(handle)] = Clock::now();
  }
  bool is_changed_since(const FileHandle& handle, Clock::time_point then) const {
    const std::scoped_lock lock(mutex_);
    if (all_at_ >= then) return true;
    const auto changed = changed_at_.find(HashOfHandle{}(handle));
    return changed != changed_at_.end() && changed->second >= then;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, Clock::time_point> changed_at_;
  Clock::time_point all_at_{};  // up to then anything may have been changed
};

}  // namespace claimfs::backends::nfs
