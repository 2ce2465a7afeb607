#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "base/result.h"

namespace claimfs::backends {

// What a walk through a volume has found.
struct Counted {
  std::uint64_t bytes = 0;
  bool is_complete = true;         // nothing was left out
  std::optional<Error> failure{};  // it came to nothing
};

// Who lives by the counts. Called on the counting thread, without a lock held.
class CountWatcher {
 public:
  virtual ~CountWatcher() = default;
  virtual void count_begins() = 0;
  // `is_complete`: nothing was left out.
  virtual void count_ended(std::uint64_t bytes, bool is_complete) = 0;
  virtual void count_failed(const Error& why) = 0;
  // Looks after what has to be looked after; when to come again, or never until it is poked.
  virtual std::optional<std::chrono::milliseconds> look_after() = 0;
};

// How many bytes a volume occupies. Counted on a thread of its own; an answer may be some seconds
// old.
class UsageCount {
 public:
  // Walks through the volume, as long as nobody says that it is `is_ending`. May block.
  using Walk = std::function<Counted(const std::function<bool()>& is_ending)>;

  // `watcher` outlives it; null: nobody.
  explicit UsageCount(Walk walk, CountWatcher* watcher = nullptr);
  UsageCount(const UsageCount&) = delete;
  ~UsageCount();

  // The last count; starts another when it has become old. Waits a moment for the very first one,
  // and for one that will be quick.
  std::optional<std::uint64_t> bytes();

  // Starts another count when the last one has become old. Does not wait.
  void refresh();
  // Starts a count that nobody waits for.
  void want();
  // Has the watcher look after its things soon.
  void poke();

 private:
  using Clock = std::chrono::steady_clock;

  void refresh_if_old();  // under mutex_
  void run();
  void count_once(std::unique_lock<std::mutex>& lock);

  const Walk walk_;
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

}  // namespace claimfs::backends
