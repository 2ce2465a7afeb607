#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "fs/caller_signals.h"

namespace claimfs::fs {

// Callers that wait for a server and may not want to any more. The kernel says so at a caller's
// first signal, whatever that is, and never again (request_wait_answer in fs/fuse/dev.c): so from
// there on its signals are looked at until it is answered, and it is given up when it is about to
// end. Nothing runs while nobody who waits has been signalled, and nobody has closed a file for a
// while.
class ImpatientCallers {
 public:
  // A request waits so long for its server before a caller that only asks to end is given up.
  static constexpr std::chrono::milliseconds kLong{5'000};
  // How often signals are looked at.
  static constexpr std::chrono::milliseconds kInterval{200};

  struct Timing {
    std::chrono::milliseconds asks_to_end_after = kLong;
    std::chrono::milliseconds interval = kInterval;
  };
  using Look = std::function<CallerSignals(pid_t)>;

  ImpatientCallers() : ImpatientCallers(signals_of, Timing()) {}
  ImpatientCallers(Look look, Timing timing);
  ImpatientCallers(const ImpatientCallers&) = delete;
  ~ImpatientCallers();
  // Nobody is given up any more: waits until nobody is being. Not from within give_up.
  void end();

  // Names a request in what follows. Never used again.
  using Number = std::uint64_t;
  enum class Watched {
    AfterSignal,
    // A close: a process that exits gets no signals any more, and the kernel says nothing of it.
    // Those who are answered within an interval are not looked at.
    FromTheStart
  };

  // `give_up` is called at most once, on a thread of their own, and does not begin after forget().
  Number wait(pid_t caller, Watched watched, std::function<void()> give_up);
  void signalled(Number request);
  void forget(Number request);

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    pid_t caller = 0;
    Clock::time_point since;
    bool is_watched = false;
    bool is_signalled = false;
    std::function<void()> give_up;
  };

  void watch(Number request, bool is_signalled);
  void look_after_them();
  struct Watching {
    Number request;
    pid_t caller;
    Clock::time_point since;
  };
  std::vector<Watching> those_to_look_at() const;
  bool is_to_be_given_up(const CallerSignals& signals, Clock::time_point since) const;

  const Look look_;
  const Timing timing_;

  std::mutex mutex_;  // for what follows
  std::condition_variable changed_;
  std::map<Number, Waiting> waiting_;
  Number last_ = 0;
  std::size_t watched_ = 0;
  bool has_begun_ = false;  // somebody has been watched since the last look
  bool is_idle_ = false;
  bool has_news_ = false;  // somebody has been signalled: it may be SIGKILL
  bool is_ending_ = false;
  std::thread watcher_;  // from the first one that is watched on
};

}  // namespace claimfs::fs
