#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace claimfs::fs {

// Whose turn it is to read the kernel's next request: one thread's at a time, and whoever has just
// served one goes on. Were several to read, each request would wake another thread, which costs
// more than most requests take to be served.
//
// Nobody reads while all that have read serve what they got. Whoever is about to be held up calls
// another first; who is held up unawares is noticed by the keeper, a thread that looks every
// millisecond while there are requests, and sleeps while there are none.
class ReadingTurn {
 public:
  // How often the keeper looks: for so long a request may wait for one that is held up.
  static constexpr std::chrono::milliseconds kTick{1};

  // `add` makes one more thread that comes for turns, or does not; called when no idle one is left,
  // and not after end() has returned.
  explicit ReadingTurn(std::function<void()> add);
  ReadingTurn(const ReadingTurn&) = delete;
  ~ReadingTurn();

  // Waits for a turn. False: the thread is one too many, or all have to end.
  bool take();
  // By who has the turn, after it has read, or has tried to.
  void give_back();
  // By who has read and may now be held up, or knows that there is more to read.
  void call_another();
  // From now on there are no turns; who waits for one comes back.
  void end();

 private:
  // Idle threads that are kept, and how long those beyond them are.
  static constexpr std::size_t kIdleKept = 3;
  static constexpr std::chrono::seconds kCalm{2};
  // Ticks without a request, after which the keeper sleeps.
  static constexpr int kQuietTicks = 20;

  bool wait_for_call();
  void wake_keeper();
  void keep();
  bool has_fallen_asleep(std::uint64_t seen);

  const std::function<void()> add_;
  std::atomic<bool> is_taken_{false};
  std::atomic<std::uint64_t> given_back_{0};
  std::atomic<bool> is_watched_{false};
  std::atomic<bool> is_ended_{false};

  std::mutex adding_;  // before mutex_
  std::mutex mutex_;   // for what follows
  std::condition_variable called_;
  std::condition_variable keeper_called_;
  std::size_t idle_ = 0;
  std::size_t calls_ = 0;  // of idle ones that have not come yet
  std::thread keeper_;
};

}  // namespace claimfs::fs
