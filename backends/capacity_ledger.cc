#include "backends/capacity_ledger.h"

#include <algorithm>

namespace claimfs::backends {

namespace {

constexpr std::uint64_t kLargestChunk = std::uint64_t{64} << 20;
constexpr std::uint64_t kShare = 16;  // a mount takes a sixteenth of what is free

std::int64_t signed_of(std::uint64_t bytes) { return static_cast<std::int64_t>(bytes); }

// Takes up to `most` of a balance, and nothing when it is not positive.
std::uint64_t take_from(std::atomic<std::int64_t>& balance, std::uint64_t most) {
  std::int64_t there = balance.load();
  while (there > 0) {
    const std::int64_t taken = std::min(there, signed_of(most));
    if (balance.compare_exchange_weak(there, there - taken))
      return static_cast<std::uint64_t>(taken);
  }
  return 0;
}

}  // namespace

void CapacityLedger::grant(std::uint64_t bytes) {
  unspent_.fetch_add(signed_of(bytes));
  credit_.fetch_add(signed_of(bytes));
}

std::uint64_t CapacityLedger::withdraw(std::uint64_t most) {
  const std::uint64_t taken = take_from(credit_, most);
  unspent_.fetch_sub(signed_of(taken));
  return taken;
}

std::uint64_t CapacityLedger::take(std::uint64_t most) {
  // Said first: who finds no credit sees that somebody may give some back.
  taken_.fetch_add(signed_of(most));
  const std::uint64_t taken = take_from(credit_, most);
  taken_.fetch_sub(signed_of(most - taken));
  return taken;
}

void CapacityLedger::give_back(std::uint64_t bytes) {
  credit_.fetch_add(signed_of(bytes));
  taken_.fetch_sub(signed_of(bytes));
}

void CapacityLedger::take_back(std::uint64_t set_aside) { credit_.fetch_add(signed_of(set_aside)); }

void CapacityLedger::lose(std::uint64_t set_aside) { unspent_.fetch_sub(signed_of(set_aside)); }

void CapacityLedger::grew(std::uint64_t bytes, Payment payment) {
  // In this order: state() reads the other way round.
  grown_.fetch_add(bytes);
  unspent_.fetch_sub(signed_of(bytes));
  credit_.fetch_sub(signed_of(bytes - payment.taken - payment.set_aside));
  taken_.fetch_sub(signed_of(payment.taken));
}

void CapacityLedger::shrank(std::uint64_t bytes) {
  shrunk_.fetch_add(bytes);
  unspent_.fetch_add(signed_of(bytes));
  credit_.fetch_add(signed_of(bytes));
}

std::uint64_t CapacityLedger::debt() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, -credit_.load()));
}

std::uint64_t CapacityLedger::credit() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, credit_.load()));
}

CapacityLedger::State CapacityLedger::state() const {
  State state;
  state.unspent = unspent_.load();
  state.grown = grown_.load();
  state.shrunk = shrunk_.load();
  return state;
}

std::uint64_t chunk_for(std::uint64_t free, std::uint64_t need) {
  const std::uint64_t share = std::min(free / kShare, kLargestChunk);
  return std::min(std::max(share, need), free);
}

}  // namespace claimfs::backends
