#include "backends/capacity_account.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace claimfs::backends {

namespace {

// A new leaf in each level of an extent tree, a block of a directory. A sixteenth of a small
// volume's percent must do.
constexpr std::uint64_t kSlop = 16 * 1024;
constexpr std::uint64_t kSlopShare = 128;

// How long a writer waits for what others hold, and will mostly give back.
constexpr int kPatience = 10;
constexpr std::chrono::microseconds kPause{500};

}  // namespace

CapacityAccount::CapacityAccount(CapacityOptions options)
    : capacity_(options.bytes),
      report_full_(std::move(options.report_full)),
      shared_(std::move(options.bound)) {}

Result<void> CapacityAccount::start() {
  std::scoped_lock lock(asking_);
  is_ending_ = false;
  const std::optional<std::uint64_t> bound = TRY(shared_->join());
  is_counted_ = bound.has_value();
  bound_.store(bound.value_or(0));
  is_active_.store(true);
  return {};
}

void CapacityAccount::set_count(UsageCount& count) {
  std::scoped_lock lock(count_lock_);
  count_ = &count;
}

void CapacityAccount::call_for_look() {
  if (is_looked_after_.exchange(true)) return;
  std::scoped_lock lock(count_lock_);
  if (count_) count_->poke();
}

void CapacityAccount::end_waiting() {
  {
    std::scoped_lock lock(asking_);
    is_ending_ = true;
  }
  counted_.notify_all();
}

void CapacityAccount::forget_count() {
  std::scoped_lock lock(count_lock_);
  count_ = nullptr;
}

void CapacityAccount::end() {
  end_waiting();
  forget_count();
}

void CapacityAccount::leave() {
  if (!is_active_.exchange(false)) return;
  std::scoped_lock lock(asking_);
  shared_->leave(ledger_.withdraw(kMostRoom));
}

std::optional<std::uint64_t> CapacityAccount::used_bytes() const {
  if (!is_counted_) return std::nullopt;
  const std::int64_t unspent = ledger_.state().unspent;
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, static_cast<std::int64_t>(bound_.load()) - unspent));
}

Result<Reservation> CapacityAccount::reserve(std::uint64_t wanted, std::uint64_t least) {
  wanted = std::min(wanted, kMostRoom);
  least = std::min(least, kMostRoom);
  Reservation room(ledger_);
  room.fill(wanted);
  if (room.bytes() == wanted) return room;
  TRY_VOID(ask(room, wanted, least));
  for (int i = 0; i < kPatience && room.bytes() < wanted; ++i) {
    if (ledger_.taken() <= room.bytes()) break;
    std::this_thread::sleep_for(kPause);
    TRY_VOID(ask(room, wanted, least));
  }
  // What others have removed beside us is room as well.
  if (room.bytes() < wanted && count_->bytes()) TRY_VOID(ask(room, wanted, least));
  return room;
}

Result<void> CapacityAccount::ask(Reservation& room, std::uint64_t wanted, std::uint64_t least) {
  std::unique_lock lock(asking_);
  counted_.wait(lock, [this] { return is_counted_ || is_ending_ || count_failure_; });
  if (is_ending_) return failure(EIO);
  if (!is_counted_) {
    count_->want();
    return failure(*std::exchange(count_failure_, std::nullopt));
  }
  room.fill(wanted);  // whoever asked before may have brought enough
  if (room.bytes() == wanted) return {};
  TRY_VOID(raise(wanted - room.bytes(), least > room.bytes() ? least - room.bytes() : 0));
  room.fill(wanted);
  return {};
}

Result<void> CapacityAccount::raise(std::uint64_t need, std::uint64_t least) {
  const std::uint64_t capacity = capacity_.load();
  std::uint64_t debt = 0;
  std::uint64_t granted = 0;
  const std::uint64_t bound = TRY(shared_->change([&](std::uint64_t current) {
    debt = ledger_.debt();
    const std::uint64_t free = capacity > current + debt ? capacity - current - debt : 0;
    granted = free < least ? 0 : chunk_for(free, need);
    return current + debt + granted;
  }));
  bound_.store(bound);
  last_granted_.store(granted);
  ledger_.grant(debt + granted);
  if (granted > 0) call_for_look();  // is it used?
  return {};
}

void CapacityAccount::grant_ahead() {
  std::scoped_lock lock(asking_);
  if (!is_counted_ || is_ending_ || !has_plenty()) return;
  // Whoever needs it will ask again, and be told why not.
  [[maybe_unused]] const Result<void> raised = raise(0, 0);
}

tl::unexpected<Error> CapacityAccount::refuse_for_room() {
  if (!is_full_.exchange(true)) {
    is_looked_after_.store(false);  // to report it takes no second
    call_for_look();
  }
  return failure(ENOSPC);
}

std::uint64_t CapacityAccount::slop() const {
  return std::min(kSlop, in_blocks(capacity_.load() / kSlopShare));
}

}  // namespace claimfs::backends
