#include "fs/backend_start.h"

#include <chrono>
#include <utility>

#include "fs/caller_signals.h"

namespace claimfs::fs {

namespace {

// A ring hears of interruptions only of what it has left waiting (Rings::interrupt): there the
// caller is looked at, so often.
constexpr std::chrono::milliseconds kLook{200};

}  // namespace

void BackendStart::end(Result<void> result) {
  {
    const std::scoped_lock lock(mutex_);
    result_ = std::move(result);
  }
  changed_.notify_all();
}

std::optional<Result<void>> BackendStart::wait(const backends::Caller& caller) {
  const auto is_interrupted = std::make_shared<bool>(false);  // guarded by mutex_
  // Who tells of an interruption may still be doing it when this has returned.
  const auto give_up = [self = shared_from_this(), is_interrupted] {
    {
      const std::scoped_lock lock(self->mutex_);
      *is_interrupted = true;
    }
    self->changed_.notify_all();
  };
  const auto interruption = caller.interruptions.take();
  if (interruption) interruption->on_interrupt(give_up);
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLook, [&] { return result_ || *is_interrupted; })) {
    lock.unlock();
    const bool ends = patience_of(signals_of(caller.pid)) == Patience::Ends;
    lock.lock();
    if (ends) break;
  }
  return result_;
}

}  // namespace claimfs::fs
