#include "fs/impatient_callers.h"

#include <utility>
#include <vector>

namespace claimfs::fs {

ImpatientCallers::ImpatientCallers(Look look, Timing timing)
    : look_(std::move(look)), timing_(timing) {}

ImpatientCallers::~ImpatientCallers() { end(); }

void ImpatientCallers::end() {
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  std::thread watcher;
  {
    const std::scoped_lock lock(mutex_);
    watcher = std::move(watcher_);
  }
  if (watcher.joinable()) watcher.join();
}

ImpatientCallers::Number ImpatientCallers::wait(pid_t caller, Watched watched,
                                                std::function<void()> give_up) {
  Number number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = ++last_;
    waiting_.emplace(
        number, Waiting{.caller = caller, .since = Clock::now(), .give_up = std::move(give_up)});
  }
  if (watched == Watched::FromTheStart) watch(number, false);
  return number;
}

void ImpatientCallers::signalled(Number request) { watch(request, true); }

void ImpatientCallers::watch(Number request, bool is_signalled) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = waiting_.find(request);
    if (is_ending_ || found == waiting_.end()) return;
    Waiting& waiting = found->second;
    if (!std::exchange(waiting.is_watched, true)) ++watched_;
    if (is_signalled) waiting.is_signalled = has_news_ = true;
    has_begun_ = true;
    if (!watcher_.joinable()) watcher_ = std::thread([this] { look_after_them(); });
    // Else it looks soon enough.
    if (!is_signalled && !is_idle_) return;
  }
  changed_.notify_all();
}

void ImpatientCallers::forget(Number request) {
  const std::scoped_lock lock(mutex_);
  const auto found = waiting_.find(request);
  if (found == waiting_.end()) return;
  if (found->second.is_watched) --watched_;
  waiting_.erase(found);
}

bool ImpatientCallers::is_to_be_given_up(const CallerSignals& signals,
                                         Clock::time_point since) const {
  const Patience patience = patience_of(signals);
  return patience == Patience::Ends ||
         (patience == Patience::AsksToEnd && Clock::now() - since >= timing_.asks_to_end_after);
}

std::vector<ImpatientCallers::Watching> ImpatientCallers::those_to_look_at() const {
  std::vector<Watching> watched;
  const Clock::time_point now = Clock::now();
  for (const auto& [number, waiting] : waiting_)
    if (waiting.is_watched && (waiting.is_signalled || now - waiting.since >= timing_.interval))
      watched.push_back({number, waiting.caller, waiting.since});
  return watched;
}

void ImpatientCallers::look_after_them() {
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    if (watched_ == 0 && !std::exchange(has_begun_, false)) {
      is_idle_ = true;
      changed_.wait(lock, [this] { return is_ending_ || watched_ > 0; });
      is_idle_ = false;
    }
    changed_.wait_for(lock, timing_.interval, [this] { return is_ending_ || has_news_; });
    if (is_ending_) return;
    has_news_ = false;
    const std::vector<Watching> watched = those_to_look_at();
    lock.unlock();
    for (const Watching& each : watched) {
      if (!is_to_be_given_up(look_(each.caller), each.since)) continue;
      std::function<void()> give_up;
      lock.lock();
      // Unless it was answered meanwhile.
      if (const auto found = waiting_.find(each.request); found != waiting_.end()) {
        give_up = std::move(found->second.give_up);
        waiting_.erase(found);
        --watched_;
      }
      lock.unlock();
      if (give_up) give_up();
    }
    lock.lock();
  }
}

}  // namespace claimfs::fs
