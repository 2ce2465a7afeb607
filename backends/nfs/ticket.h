#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "backends/caller.h"
#include "backends/nfs/identity.h"
#include "backends/reservation.h"

namespace claimfs::backends::nfs {

using Clock = std::chrono::steady_clock;

// What all calls of one operation share: on whose behalf, until when, and whether somebody gave it
// up.
struct Ticket {
  Identity identity;  // changed only by the connection's thread, while a call is its
  const Clock::time_point begun_at = Clock::now();
  Clock::time_point deadline = Clock::time_point::max();  // then ETIMEDOUT
  // It is to be answered with EINTR, now: its caller is about to end. Whether that is so is not
  // decided here.
  std::atomic<bool> is_given_up{false};
  std::shared_ptr<Interruption> interruption;
  // What it may let the volume grow by, until it is answered; none where that is not accounted.
  std::optional<Reservation> room{};
};

}  // namespace claimfs::backends::nfs
