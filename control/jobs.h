#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "backends/ground.h"
#include "base/result.h"

namespace claimfs::control {

// What takes long (to remove a million files) is done beside the controller's loop: one job for
// each key at a time, a few at once, failures tried again after a pause that doubles from 500 ms to
// two minutes, as Kubernetes' controller does. Its calls are for one thread; jobs run on their own.
class Jobs {
 public:
  using Clock = std::chrono::steady_clock;
  // Blocks; heeds the stop token, and says in the progress how far it is.
  using Work = std::function<Result<void>(backends::RemovalProgress&, std::stop_token)>;
  struct Finished {
    std::string key;
    Result<void> result;
  };
  struct Running {
    std::string key;
    std::chrono::milliseconds since_start;
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
  };

  // `wake` is called from a job's thread when one has finished.
  explicit Jobs(std::function<void()> wake);
  ~Jobs();  // stops what runs, and waits for it
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // False, and nothing is done, while a job of this key is queued or running, or has failed a
  // moment ago. A job that is still at work after `limit` (0: none) is stopped and fails with
  // ETIMEDOUT.
  bool start(const std::string& key, std::chrono::seconds limit, Work work);

  // What has ended since the last call; its key is free again.
  std::vector<Finished> take_finished();
  // Keys whose pause has ended since the last call.
  std::vector<std::string> take_due();
  // Stops those whose time is up.
  void enforce_limits();

  bool is_busy() const;  // something is queued, running, or finished and not yet taken
  std::vector<Running> running() const;
  // When the first pause ends.
  std::optional<Clock::time_point> next_due() const;

 private:
  struct Job {
    std::string key;
    std::chrono::seconds limit{0};
    Work work;
    backends::RemovalProgress progress;
    std::stop_source stop;
    std::optional<Clock::time_point> started;
    bool is_out_of_time = false;
  };
  struct Pause {
    Clock::time_point until;
    std::chrono::milliseconds length;
    bool is_over = false;
  };

  void work(const std::stop_token& stop);

  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable_any queued_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::map<std::string, std::shared_ptr<Job>> jobs_;  // queued and running
  std::vector<Finished> finished_;
  std::map<std::string, Pause> pauses_;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace claimfs::control
