#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

namespace claimfs::cli {

// Memory that the daemon no longer needs. An allocator keeps what is given back to it between what
// is in use, and a daemon that has served a walk through a million files would have theirs for
// ever. Of one thread.
class SpareMemory {
 public:
  // `give_back` hands all that is free to the system; it may take milliseconds.
  explicit SpareMemory(std::function<void()> give_back) : give_back_(std::move(give_back)) {}

  // Now and then, with the number of inodes that the kernel remembers: most of the memory is
  // theirs.
  void look(std::size_t inodes) {
    most_ = std::max(most_, inodes);
    if (most_ - inodes < kMany || inodes > most_ / 2) return;
    give_back_();
    most_ = inodes;
  }

  // Fewer are not worth it: 256 bytes each.
  static constexpr std::size_t kMany = 10'000;

 private:
  const std::function<void()> give_back_;
  std::size_t most_ = 0;  // since it was given back
};

}  // namespace claimfs::cli
