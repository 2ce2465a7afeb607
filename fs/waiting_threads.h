#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <set>

#include "base/guarded.h"

namespace claimfs::fs {

// Threads that wait in the kernel for a lock which somebody holds, so that no worker has to. A wait
// is ended by signals: they come again until it has noticed, since one may arrive just before the
// thread begins to wait.
class WaitingThreads {
 public:
  static constexpr int kSignal = SIGUSR2;
  static constexpr std::size_t kLimit = 256;

  // Process-wide, before the first wait: the signal interrupts and does nothing else.
  static void install_signal();

  WaitingThreads() = default;
  WaitingThreads(const WaitingThreads&) = delete;
  ~WaitingThreads() { end(); }

  // Gives up all waits, and waits for that. From now on there is none.
  void end();

  // Ends one wait; may be called at any time, from any thread, also when the wait is over.
  using GiveUp = std::function<void()>;

  // Runs `wait` on a thread of its own, after `started` has been given the way to end it. False
  // when there are too many.
  bool run(const std::function<void(GiveUp)>& started, std::function<void()> wait);

 private:
  struct Waiter;
  struct Running {
    std::set<std::shared_ptr<Waiter>> waiters;
    bool is_closing = false;
  };
  // Shared with the threads, which outlive nothing else.
  std::shared_ptr<Guarded<Running>> running_ = std::make_shared<Guarded<Running>>();
};

}  // namespace claimfs::fs
