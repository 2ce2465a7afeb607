#include "fs/waiting_threads.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <thread>

namespace claimfs::fs {

namespace {

constexpr long kRepeatNs = 5'000'000;

}  // namespace

struct WaitingThreads::Waiter {
  // Guards `timer` and `is_over`: a timer that is gone must not be armed.
  std::mutex mutex;
  timer_t timer{};
  bool has_timer = false;
  bool is_over = false;
  std::promise<void> over;

  // On the waiting thread itself: signals will be aimed at it.
  bool make_timer() {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kSignal;
    event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
    has_timer = ::timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
    return has_timer;
  }

  void interrupt() {
    std::scoped_lock lock(mutex);
    if (is_over || !has_timer) return;
    itimerspec soon_and_again{};
    soon_and_again.it_value.tv_nsec = 1;
    soon_and_again.it_interval.tv_nsec = kRepeatNs;
    ::timer_settime(timer, 0, &soon_and_again, nullptr);
  }

  void finish() {
    std::scoped_lock lock(mutex);
    is_over = true;
    if (has_timer) ::timer_delete(timer);
  }
};

void WaitingThreads::install_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);
  ::sigaction(kSignal, &action, nullptr);  // no SA_RESTART: the point is EINTR
}

void WaitingThreads::end() {
  const auto waiters = running_->with([](Running& running) {
    running.is_closing = true;
    return running.waiters;
  });
  for (const auto& waiter : waiters) waiter->interrupt();
  for (const auto& waiter : waiters) waiter->over.get_future().wait();
}

bool WaitingThreads::run(const std::function<void(GiveUp)>& started, std::function<void()> wait) {
  auto waiter = std::make_shared<Waiter>();
  const bool has_room = running_->with([&](Running& running) {
    if (running.is_closing || running.waiters.size() >= kLimit) return false;
    running.waiters.insert(waiter);
    return true;
  });
  if (!has_room) return false;
  std::promise<void> ready;
  std::promise<void> go;
  auto is_ready = ready.get_future();
  std::thread([waiter, running = running_, wait = std::move(wait), ready = std::move(ready),
               may_go = go.get_future()]() mutable {
    waiter->make_timer();
    ready.set_value();
    may_go.wait();
    wait();
    wait = nullptr;  // what it holds goes before anybody can take the wait for over
    waiter->finish();
    running->with([&](Running& all) { all.waiters.erase(waiter); });
    waiter->over.set_value();
  }).detach();
  is_ready.wait();
  started([waiter] { waiter->interrupt(); });
  go.set_value();  // only now can the wait be over, and what `started` was told about be gone
  return true;
}

}  // namespace claimfs::fs
