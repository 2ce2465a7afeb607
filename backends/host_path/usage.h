#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "base/fd.h"

namespace claimfs::backends::host_path {

// How many bytes a directory tree occupies, counted as du counts: blocks, every inode once, one
// filesystem. Counted on a thread of its own; an answer may be some seconds old.
class UsageCount {
 public:
  explicit UsageCount(Fd root);
  UsageCount(const UsageCount&) = delete;
  ~UsageCount();

  // The last count; starts another when it has become old. Waits a moment for the very first one,
  // and for one that will be quick.
  std::optional<std::uint64_t> bytes();

 private:
  void run();

  Fd root_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::uint64_t> last_;
  std::chrono::steady_clock::time_point counted_at_{};
  std::chrono::steady_clock::duration took_{};
  bool is_wanted_ = false;
  bool is_ending_ = false;
  std::thread counter_;
};

}  // namespace claimfs::backends::host_path
