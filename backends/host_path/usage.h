#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "base/fd.h"

namespace claimfs::backends::host_path {

// Who lives by the counts. Called on the counting thread, without a lock held.
class CountWatcher {
 public:
  virtual ~CountWatcher() = default;
  virtual void count_begins() = 0;
  // `is_complete`: nothing was left out.
  virtual void count_ended(std::uint64_t bytes, bool is_complete) = 0;
  // Looks after what has to be looked after; when to come again, or never until it is poked.
  virtual std::optional<std::chrono::milliseconds> look_after() = 0;
};

// How many bytes a directory tree occupies, counted as du counts: blocks, every inode once, one
// filesystem. Counted on a thread of its own; an answer may be some seconds old.
class UsageCount {
 public:
  // `watcher` outlives it; null: nobody.
  explicit UsageCount(Fd root, CountWatcher* watcher = nullptr);
  UsageCount(const UsageCount&) = delete;
  ~UsageCount();

  // The last count; starts another when it has become old. Waits a moment for the very first one,
  // and for one that will be quick.
  std::optional<std::uint64_t> bytes();

  // Starts a count that nobody waits for.
  void want();
  // Has the watcher look after its things soon.
  void poke();

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  void count_once(std::unique_lock<std::mutex>& lock);

  Fd root_;
  CountWatcher* const watcher_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::uint64_t> last_;
  Clock::time_point counted_at_{};
  Clock::duration took_{};
  bool is_wanted_ = false;
  bool is_poked_ = false;
  bool is_ending_ = false;
  std::thread counter_;
};

}  // namespace claimfs::backends::host_path
