#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "backends/capacity_ledger.h"

namespace claimfs::backends {

// What an operation may let files grow by. What is left of it goes back in the end. Empty where
// nothing is accounted.
class Reservation {
 public:
  Reservation() = default;
  explicit Reservation(CapacityLedger& ledger) : ledger_(&ledger) {}
  Reservation(Reservation&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&&) = delete;
  ~Reservation() {
    if (ledger_) ledger_->give_back(bytes_);
  }
  std::uint64_t bytes() const { return bytes_; }
  // Takes more of what is there, until it has so much.
  void fill(std::uint64_t wanted) {
    if (bytes_ < wanted) bytes_ += ledger_->take(wanted - bytes_);
  }
  // Spends up to `most`; says how much.
  std::uint64_t spend(std::uint64_t most) {
    const std::uint64_t spent = std::min(bytes_, most);
    bytes_ -= spent;
    return spent;
  }

 private:
  CapacityLedger* ledger_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace claimfs::backends
