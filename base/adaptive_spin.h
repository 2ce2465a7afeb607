#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace claimfs {

// Waits awake for what mostly comes at once, where it has been coming at once: sleeping costs more
// than that time, and whoever wakes a thread on another processor pays for it too. Where it does
// not come, the attempts become few. Threads may share one: what it has learned is a guess.
class AdaptiveSpin {
 public:
  // `longest`: about what it costs to be woken.
  explicit AdaptiveSpin(std::chrono::microseconds longest) : longest_(longest) {}

  // Until `is_there` says so; false: it is better to sleep. That is asked at least once, or not at
  // all.
  template <class IsThere>
  bool until(IsThere is_there) {
    if (!is_worth_it()) return false;
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + longest_;
    do {
      if (is_there()) return note(true);
    } while (Clock::now() < end);
    return note(false);
  }

 private:
  bool is_worth_it() {
    return trust_.load(kGuess) > 0 || left_out_.fetch_add(1, kGuess) % kTryAgain == kTryAgain - 1;
  }
  bool note(bool has_come) {
    const std::uint32_t trust = trust_.load(kGuess);
    if (has_come)
      trust_.store(trust < kMostTrust ? trust + 1 : kMostTrust, kGuess);
    else
      trust_.store(trust > kDisappointment ? trust - kDisappointment : 0, kGuess);
    return has_come;
  }

  static constexpr auto kGuess = std::memory_order_relaxed;
  // In vain so many times out of one more, it is given up.
  static constexpr std::uint32_t kDisappointment = 4;
  static constexpr std::uint32_t kMostTrust = 16;
  static constexpr std::uint32_t kTryAgain = 32;

  const std::chrono::microseconds longest_;
  std::atomic<std::uint32_t> trust_{kMostTrust};
  std::atomic<std::uint32_t> left_out_{0};
};

}  // namespace claimfs
