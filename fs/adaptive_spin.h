#pragma once

#include <chrono>
#include <cstdint>

namespace claimfs::fs {

// Waits awake for what mostly comes at once, where it has been coming at once: sleeping costs more
// than that time, and whoever wakes a thread on another processor pays for it too. Where it does
// not come, the attempts become few. Of one thread at a time.
class AdaptiveSpin {
 public:
  // Longer than a caller on another processor takes to ask again, shorter than to wake it costs.
  static constexpr std::chrono::microseconds kLongest{50};

  // Returns when `is_there` says so, or it is better to sleep. That is asked at least once, or not
  // at all.
  template <class IsThere>
  void until(IsThere is_there) {
    if (!is_worth_it()) return;
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + kLongest;
    do {
      if (is_there()) return note(true);
    } while (Clock::now() < end);
    note(false);
  }

 private:
  bool is_worth_it() { return trust_ > 0 || ++left_out_ % kTryAgain == 0; }
  void note(bool has_come) {
    if (has_come)
      trust_ = trust_ < kMostTrust ? trust_ + 1 : kMostTrust;
    else
      trust_ -= trust_ > kDisappointment ? kDisappointment : trust_;
  }

  // In vain so many times out of one more, it is given up.
  static constexpr std::uint32_t kDisappointment = 4;
  static constexpr std::uint32_t kMostTrust = 16;
  static constexpr std::uint32_t kTryAgain = 32;

  std::uint32_t trust_ = kMostTrust;
  std::uint32_t left_out_ = 0;
};

}  // namespace claimfs::fs
