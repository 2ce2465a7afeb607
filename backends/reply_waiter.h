#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace claimfs::backends {

class ReplyWaiter;

// What replies come by, to whoever asked: by default to a thread of its own, which then has to wake
// those that wait for them.
class ReplySource {
 public:
  virtual ~ReplySource() = default;
  // By the thread that `waiter` took this on in: hands on what replies come, whosever they are,
  // until `is_over()`, or that time, or they are better left to the source's own thread. Looks
  // again, too, when the descriptor `stirred` becomes readable. To be called once for each time
  // that it was taken on: meanwhile nobody else receives.
  virtual void receive_until(const ReplyWaiter& waiter, const std::function<bool()>& is_over,
                             int stirred, std::chrono::steady_clock::time_point end) = 0;
};

// Made by a thread that waits for the answer to each request after it has served it: it may then
// receive the reply that this needs by itself, instead of being woken by who did.
class ReplyWaiter {
 public:
  ReplyWaiter() { of_this_thread_ = this; }
  ReplyWaiter(const ReplyWaiter&) = delete;
  ~ReplyWaiter() { of_this_thread_ = nullptr; }

  // Null: this thread does not wait.
  static ReplyWaiter* of_this_thread() { return of_this_thread_; }

  bool has_source() const { return source_ != nullptr; }
  void take_on(std::shared_ptr<ReplySource> source) { source_ = std::move(source); }
  // After every request that has left it with a source.
  void receive_until(const std::function<bool()>& is_over, int stirred,
                     std::chrono::steady_clock::time_point end) {
    std::exchange(source_, nullptr)->receive_until(*this, is_over, stirred, end);
  }

 private:
  static inline thread_local ReplyWaiter* of_this_thread_ = nullptr;
  std::shared_ptr<ReplySource> source_;
};

}  // namespace claimfs::backends
