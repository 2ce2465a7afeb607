#include "backends/usage_count.h"

#include <sys/resource.h>

#include <utility>

namespace claimfs::backends {

namespace {

// Recounted at most this often, and never more than a hundredth of the time.
constexpr std::chrono::milliseconds kFresh{1000};
constexpr int kRestFactor = 100;
constexpr std::chrono::milliseconds kFirstWait{250};
constexpr int kNice = 10;  // those who use the volume go first
// Counts that took no longer are waited for.
constexpr std::chrono::milliseconds kQuick{10};

}  // namespace

UsageCount::UsageCount(Walk walk, CountWatcher* watcher)
    : walk_(std::move(walk)), watcher_(watcher), counter_([this] { run(); }) {}

UsageCount::~UsageCount() {
  {
    std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  counter_.join();
}

std::optional<std::uint64_t> UsageCount::bytes() {
  std::unique_lock lock(mutex_);
  refresh_if_old();
  // A small volume is counted while its df waits; a large one answers with what is known: find and
  // rsync ask as well.
  if (last_ && took_ > kQuick) return last_;
  changed_.wait_for(lock, kFirstWait, [this] { return !is_wanted_ || is_ending_; });
  return last_;
}

void UsageCount::refresh_if_old() {
  if (last_ && Clock::now() - counted_at_ <= kFresh) return;
  is_wanted_ = true;
  changed_.notify_all();
}

void UsageCount::refresh() {
  std::scoped_lock lock(mutex_);
  refresh_if_old();
}

void UsageCount::want() {
  {
    std::scoped_lock lock(mutex_);
    is_wanted_ = true;
  }
  changed_.notify_all();
}

void UsageCount::poke() {
  {
    std::scoped_lock lock(mutex_);
    is_poked_ = true;
  }
  changed_.notify_all();
}

void UsageCount::run() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // this thread's
  auto next_look = Clock::time_point::max();
  std::unique_lock lock(mutex_);
  while (true) {
    const auto is_called = [this] { return is_wanted_ || is_poked_ || is_ending_; };
    if (next_look != Clock::time_point::max())
      changed_.wait_until(lock, next_look, is_called);
    else
      changed_.wait(lock, is_called);
    if (is_ending_) return;
    if (is_wanted_) count_once(lock);
    if (!watcher_ || (!is_poked_ && Clock::now() < next_look)) continue;
    is_poked_ = false;
    lock.unlock();
    const auto pause = watcher_->look_after();
    lock.lock();
    next_look = pause ? Clock::now() + *pause : Clock::time_point::max();
  }
}

void UsageCount::count_once(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto begin = Clock::now();
  const auto is_ending = [this] {
    std::scoped_lock ending(mutex_);
    return is_ending_;
  };
  if (watcher_) watcher_->count_begins();
  const Counted counted = walk_(is_ending);
  const auto took = Clock::now() - begin;
  const bool is_told = watcher_ && !is_ending();
  if (is_told && !counted.failure) watcher_->count_ended(counted.bytes, counted.is_complete);
  lock.lock();
  if (!counted.failure) last_ = counted.bytes;
  took_ = took;
  counted_at_ = Clock::now() + took * kRestFactor;
  is_wanted_ = false;
  changed_.notify_all();
  if (!is_told || !counted.failure) return;
  // Only now: who hears of it may want another one.
  lock.unlock();
  watcher_->count_failed(*counted.failure);
  lock.lock();
}

}  // namespace claimfs::backends
