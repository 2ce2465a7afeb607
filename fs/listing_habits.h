#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace claimfs::fs {

// Whether a thread that opens a directory will ask for its entries' attributes too. The kernel asks
// for both at the beginning of every listing; looking at each entry takes seven times as long as
// naming it, and asking for one by one afterwards three times as long as both at once. What follows
// a listing that only named says which it will be: look-ups by the same thread, or none.
//
// Safe from any thread, without a lock: a guess that two threads spoil for each other is only slow.
class ListingHabits {
 public:
  // When a directory is opened.
  bool wants_attributes(pid_t thread, std::uint64_t directory);

  void saw_lookup(pid_t thread, std::uint64_t directory);

 private:
  // One look-up is on the way to a directory below.
  static constexpr std::uint32_t kMany = 2;
  // Listings until it is asked again, by one that only names.
  static constexpr std::uint32_t kTrusted = 32;

  struct Habit {
    std::atomic<pid_t> thread{0};
    std::atomic<std::uint64_t> named{0};    // the directory that was listed by name only; 0: none
    std::atomic<std::uint32_t> lookups{0};  // in it, since
    std::atomic<std::uint32_t> trusted{0};  // so many more listings want attributes
  };
  Habit& habit_of(pid_t thread) { return habits_[static_cast<std::uint32_t>(thread) % kThreads]; }

  static constexpr std::size_t kThreads = 256;
  std::array<Habit, kThreads> habits_;
};

}  // namespace claimfs::fs
