#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "backends/caller.h"
#include "backends/nfs/identity.h"

namespace claimfs::backends::nfs {

using Clock = std::chrono::steady_clock;

// What all calls of one operation share: on whose behalf, until when, and whether somebody gave it
// up.
struct Ticket {
  Identity identity;  // changed only by the connection's thread, while a call is its
  Clock::time_point deadline = Clock::time_point::max();  // then ETIMEDOUT
  // When it is to be answered with EINTR, in the clock's nanoseconds; 0: nobody wants that. A
  // signal that ends its process gives it up at once. Another one gives the server a moment to
  // answer: programs that catch signals (a timer's, a progress bar's) do not expect EINTR from a
  // file, and NFS mounts of the kernel do not answer it to them at all.
  std::atomic<Clock::rep> interrupted_at{0};
  std::shared_ptr<Interruption> interruption;

  bool is_interrupted(Clock::time_point now) const {
    const Clock::rep at = interrupted_at.load(std::memory_order_acquire);
    return at != 0 && now.time_since_epoch().count() >= at;
  }
};

}  // namespace claimfs::backends::nfs
