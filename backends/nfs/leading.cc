// Replies that are received by who waits for them.

#include <poll.h>

#include <algorithm>

#include "backends/nfs/connection.h"
#include "base/processors.h"

namespace claimfs::backends::nfs {

namespace {

// Who asks beside others would be led, and lead, by turns: each of which wakes the thread.
constexpr int kCallsUntilLed = 16;

// While a thread leads; of all connections.
class Leading {
 public:
  Leading() { ++count_; }
  Leading(const Leading&) = delete;
  ~Leading() { --count_; }

  // Where several wait for replies, others need their processors: servers, and whoever asks.
  static bool is_alone() { return has_processors_ && count_.load() == 1; }

 private:
  static inline std::atomic<int> count_{0};
  static inline const bool has_processors_ = usable_processors() > 1;  // before threads stay on one
};

}  // namespace

void Connection::offer_lead() {
  ReplyWaiter* const waiter = ReplyWaiter::of_this_thread();
  if (!waiter || waiter->has_source() || leader_.load()) return;
  if (calls_.size() != 1 || alone_ < kCallsUntilLed) return;
  std::shared_ptr<Connection> self = weak_from_this().lock();
  if (!self) return;
  leader_.store(waiter);
  waiter->take_on(std::move(self));
}

void Connection::receive_until(const ReplyWaiter& waiter, const std::function<bool()>& is_over,
                               int stirred, Clock::time_point end) {
  const Leading leading;
  pollfd waiting[2] = {{stirred, POLLIN, 0}, {-1, POLLIN, 0}};
  while (leader_.load() == &waiter) {
    {
      // Who has it may be the thread, which may have to wait for a port mapper.
      const std::unique_lock turn(mutex_, std::try_to_lock);
      if (!turn || !receive(waiting[1].revents, is_over, end)) break;
      waiting[1].fd = stream_->descriptor();
    }
    waiting[1].revents = 0;
    if (has_mail()) continue;
    const auto has_come = [&waiting] { return ::poll(waiting, 2, 0) != 0; };
    if (Leading::is_alone() && spin_.until(has_come)) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    ::poll(waiting, 2, std::max(static_cast<int>(left.count()), 0));
  }
  const ReplyWaiter* led_by = &waiter;
  leader_.compare_exchange_strong(led_by, nullptr);
  if (load_.load() > 0 || has_mail()) doorbell_->ring();
}

// False: there is no more to do for a leader.
bool Connection::receive(short events, const std::function<bool()>& is_over,
                         Clock::time_point end) {
  const Serving serves(this);
  if (!stream_ || is_broken_) return false;
  if (events != 0 && !serve(events)) {
    is_broken_ = true;  // the thread gives it up
    return false;
  }
  bool goes_on = take_inbox();
  send_waiting();
  goes_on = push_out() && goes_on;
  load_.store(calls_.size());
  return goes_on && !is_over() && Clock::now() < end;
}

}  // namespace claimfs::backends::nfs
