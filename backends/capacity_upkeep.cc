#include <algorithm>
#include <thread>

#include "backends/capacity_account.h"

// What the counting thread does for an account.
namespace claimfs::backends {

namespace {

// What nobody tells of has to be looked at, and credit that is not used is somebody else's.
constexpr std::chrono::milliseconds kLookAfter{1000};
constexpr std::chrono::seconds kReportInterval{10};
constexpr int kTries = 1000;
constexpr std::chrono::microseconds kPause{200};

}  // namespace

void CapacityAccount::count_begins() {
  std::scoped_lock lock(asking_);
  at_begin_ = ledger_.state();
  moves_at_begin_ = moves_.load();
  is_alone_ = is_counted_ && shared_->begin_recount().has_value();
}

// The lock lets changes pass for as long as there are some. A busy volume is recounted another
// time.
std::unique_lock<std::shared_mutex> CapacityAccount::moment_without_changes() {
  std::unique_lock lock(changing_, std::defer_lock);
  for (int i = 0; i < kTries && !lock.try_lock(); ++i) std::this_thread::sleep_for(kPause);
  return lock;
}

void CapacityAccount::count_ended(std::uint64_t bytes, bool is_complete) {
  {
    const std::unique_lock no_changes = moment_without_changes();
    std::scoped_lock lock(asking_);
    if (is_ending_) return;
    const CapacityLedger::State state = ledger_.state();
    const auto sum = static_cast<std::int64_t>(bytes + state.grown - at_begin_.grown) +
                     state.unspent + nameless_bytes_.load();
    const auto bound = static_cast<std::uint64_t>(std::max<std::int64_t>(0, sum));
    // What changed meanwhile may be counted twice: that is no reason to raise the bound. Where
    // nothing has, it is the host that has put something there.
    const bool is_quiet = state.grown == at_begin_.grown && state.shrunk == at_begin_.shrunk;
    const bool is_better = bound < bound_.load() ? is_complete : is_quiet;
    const bool has_seen_all = moves_at_begin_ == moves_.load() && moving_.load() == 0;
    if (!is_counted_) {
      const auto established = shared_->establish(bound);
      if (established) {
        is_counted_ = true;
        bound_.store(*established);
      } else {
        count_failure_ = established.error();
      }
    } else if (no_changes && is_alone_ && is_better && has_seen_all) {
      if (shared_->end_recount(bound)) {
        bound_.store(bound);
        ++recounts_;
      }
    }
  }
  counted_.notify_all();
}

void CapacityAccount::count_failed(const Error& why) {
  {
    std::scoped_lock lock(asking_);
    if (is_counted_) return;
    count_failure_ = why;
  }
  counted_.notify_all();
}

std::optional<std::chrono::milliseconds> CapacityAccount::look_after() {
  is_looked_after_.store(false);  // who comes from now on may have been missed
  const bool is_to_look_again = look_at_files();
  adjust_bound();
  const bool is_to_report = !report();
  if (!is_to_look_again && ledger_.credit() == 0 && ledger_.debt() == 0 && !is_to_report)
    return std::nullopt;
  is_looked_after_.store(true);
  return kLookAfter;
}

// What was stored past us is in the bound from now on; and what this mount has over and does not
// use goes back, for the others.
void CapacityAccount::adjust_bound() {
  std::scoped_lock lock(asking_);
  if (!is_counted_ || is_ending_) return;
  const std::uint64_t debt = ledger_.debt();
  const std::uint64_t grown = ledger_.state().grown;
  const bool is_idle = std::exchange(grown_at_look_, grown) == grown;
  const std::uint64_t capacity = capacity_.load();
  const std::uint64_t bound = bound_.load();
  const std::uint64_t chunk = chunk_for(capacity > bound ? capacity - bound : 0, 0);
  const std::uint64_t kept = is_idle ? 0 : 2 * chunk;
  const std::uint64_t credit = ledger_.credit();
  const std::uint64_t unused = credit > kept ? ledger_.withdraw(credit - kept) : 0;
  if (debt == 0 && unused == 0) return;
  const auto changed = shared_->change(
      [&](std::uint64_t current) { return current + debt - std::min(unused, current + debt); });
  if (!changed) {
    ledger_.grant(unused);
    return;
  }
  bound_.store(*changed);
  ledger_.grant(debt);
}

// False when there is something to report later.
bool CapacityAccount::report() {
  if (!is_full_.load()) return true;
  const auto now = Clock::now();
  if (reported_at_ && now - *reported_at_ < kReportInterval) return false;
  reported_at_ = now;
  is_full_.store(false);
  if (report_full_) report_full_();
  return true;
}

}  // namespace claimfs::backends
