#include "fs/reading_turn.h"

#include <utility>

namespace claimfs::fs {

ReadingTurn::ReadingTurn(std::function<void()> add)
    : add_(std::move(add)), keeper_([this] { keep(); }) {}

ReadingTurn::~ReadingTurn() {
  end();
  keeper_.join();
}

bool ReadingTurn::take() {
  while (!is_ended_.load()) {
    if (!is_taken_.exchange(true)) return true;
    if (!wait_for_call()) return false;
  }
  return false;
}

bool ReadingTurn::wait_for_call() {
  std::unique_lock lock(mutex_);
  // Given back since: nobody may be left to call us.
  if (!is_taken_.load()) return true;
  const auto is_wanted = [this] { return calls_ > 0 || is_ended_.load(); };
  ++idle_;
  const bool is_kept = idle_ <= kIdleKept;
  if (is_kept) called_.wait(lock, is_wanted);
  const bool has_come = is_kept || called_.wait_for(lock, kCalm, is_wanted);
  --idle_;
  if (calls_ > 0) --calls_;
  return has_come;
}

void ReadingTurn::give_back() {
  given_back_.fetch_add(1);
  is_taken_.store(false);
  if (!is_watched_.load()) wake_keeper();
}

void ReadingTurn::call_another() {
  const std::scoped_lock adding(adding_);
  {
    std::scoped_lock lock(mutex_);
    if (is_ended_.load()) return;
    if (idle_ > calls_) {
      ++calls_;
      called_.notify_one();
      return;
    }
  }
  add_();
}

void ReadingTurn::end() {
  {
    std::scoped_lock lock(adding_, mutex_);
    is_ended_.store(true);
  }
  called_.notify_all();
  keeper_called_.notify_all();
}

void ReadingTurn::wake_keeper() {
  {
    std::scoped_lock lock(mutex_);
    is_watched_.store(true);
  }
  keeper_called_.notify_one();
}

void ReadingTurn::keep() {
  std::uint64_t seen = 0;
  int quiet = 0;
  while (!is_ended_.load()) {
    {
      std::unique_lock lock(mutex_);
      if (!is_watched_.load()) {
        keeper_called_.wait(lock, [this] { return is_watched_.load() || is_ended_.load(); });
        quiet = 0;
      }
      keeper_called_.wait_for(lock, kTick, [this] { return is_ended_.load(); });
    }
    const std::uint64_t now = given_back_.load();
    const bool is_still = std::exchange(seen, now) == now;
    if (!is_still || !is_taken_.load()) quiet = 0;
    if (is_still && !is_taken_.load()) call_another();
    if (is_still && ++quiet > kQuietTicks && has_fallen_asleep(now)) quiet = 0;
  }
}

// Only while somebody reads: from there on whoever has read wakes it.
bool ReadingTurn::has_fallen_asleep(std::uint64_t seen) {
  is_watched_.store(false);
  if (is_taken_.load() && given_back_.load() == seen) return true;
  is_watched_.store(true);
  return false;
}

}  // namespace claimfs::fs
