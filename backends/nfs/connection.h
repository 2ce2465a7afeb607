#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "backends/nfs/address.h"
#include "backends/nfs/call.h"
#include "backends/reply_waiter.h"
#include "base/adaptive_spin.h"
#include "base/fd.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// One TCP connection to a program of a server, and its thread. Whatever happens to the server,
// calls wait here: the connection is made again, with pauses from 0.1 s to 5 s, and what had no
// reply is sent again. Replies are handed on by its thread, which never waits for anything else, or
// by the leader: a thread that asks alone and waits for its reply. A call is sent by whoever
// submits it where that is possible at once. To wake the thread would take longer than either.
class Connection final : public ReplySource,
                         private RpcReceiver,
                         public std::enable_shared_from_this<Connection> {
 public:
  struct Settings {
    std::vector<Address> addresses;  // tried in turn
    std::uint16_t port = 0;
    bool is_reserved = true;
    Clock::duration timeout{};  // without any reply: the connection is made anew
    bool gives_up = false;      // a failed connection fails the calls that wait
    // Asks the port mapper anew when the port has refused more than once; null: it is fixed. Blocks
    // for a second at most.
    std::function<std::optional<std::uint16_t>()> find_port{};
  };

  explicit Connection(Settings settings);
  Connection(const Connection&) = delete;
  ~Connection() override { stop(); }

  // From any thread; does not wait. The reply comes from another, perhaps before this returns, or
  // from this one when it receives by itself; after stop() the call fails with EIO.
  void submit(std::unique_ptr<Call> call);

  // About how many calls have no reply yet.
  std::size_t load() const { return load_.load(std::memory_order_relaxed); }

  void receive_until(const ReplyWaiter& waiter, const std::function<bool()>& is_over, int stirred,
                     Clock::time_point end) override;

  // Which connection this thread has in its hands; null: none.
  static Connection* served_by_this_thread();

  // Fails what waits with EIO and ends the thread. Does not wait for the server.
  void stop();

  // Sends what waited for something else than its reply.
  void wake() { doorbell_->ring(); }

  // Since when the server has not answered what it was asked, be it that nobody waits for that any
  // more; none: it has.
  std::optional<Clock::time_point> silent_since() const;
  // When it has last answered anything; the epoch before that.
  Clock::time_point last_reply_at() const { return Clock::time_point(last_reply_.load()); }

  // Has an operation's calls looked at again, because it was interrupted. Outlives the connection.
  class Doorbell {
   public:
    void interrupt();

   private:
    friend class Connection;
    void ring();
    Fd event_;
    std::atomic<bool> has_interrupts_{false};
  };
  std::shared_ptr<Doorbell> doorbell() const { return doorbell_; }

 private:
  struct Inbox {
    std::vector<std::unique_ptr<Call>> calls;
    bool is_stopping = false;
  };

  // While a thread has the connection in its hands.
  class Serving {
   public:
    explicit Serving(Connection* connection);
    Serving(const Serving&) = delete;
    ~Serving();
  };

  void run();
  void send_from_here();
  void offer_lead();
  bool receive(short events, const std::function<bool()>& is_over, Clock::time_point end);
  bool has_mail() const;
  // All that follows: by whoever has mutex_. The connection is made and given up by the thread
  // alone, which waits for it between its turns.
  bool take_inbox();  // false: it is time to stop
  void add(std::unique_ptr<Call> call);
  void look_at_times();
  void begin_connecting_when_due();
  void finish_connecting();
  void connection_failed(int errno_code);
  void disconnect();
  bool serve(short events);  // false: the connection is broken
  bool is_idle() const { return calls_.empty() && timers_.empty(); }
  bool push_out();  // false: the socket does not take more, or is broken
  void send_waiting();
  void send(std::uint64_t number, Call& call);
  int poll_timeout_ms();
  void replied(RpcReply& reply) override;
  std::span<std::byte> place_for(std::uint32_t xid) override;
  std::uint64_t number_of(std::uint32_t xid) const;
  void note_reply();
  void fail_all(int errno_code);

  const Settings settings_;
  const std::shared_ptr<Doorbell> doorbell_;
  Guarded<Inbox> inbox_;
  std::atomic<Clock::rep> silent_since_{0};
  std::atomic<Clock::duration> last_reply_{Clock::duration::zero()};
  std::atomic<std::size_t> load_{0};
  // Who receives instead of the thread, which then looks at times only; null: nobody.
  std::atomic<const ReplyWaiter*> leader_{nullptr};

  AdaptiveSpin spin_{std::chrono::microseconds(100)};  // of leaders

  // Has the connection. What calls are answered with runs under it, so that nobody but the thread
  // may wait for it.
  std::mutex mutex_;
  // The rest is guarded by it.
  std::uint16_t port_;
  std::size_t next_address_ = 0;
  Fd connecting_;
  Clock::time_point connecting_until_{};
  std::optional<RpcStream> stream_;
  Clock::time_point heard_at_{};
  Clock::time_point looked_at_{};
  Clock::time_point retry_at_{};
  Clock::duration pause_{};
  int refusals_ = 0;
  std::minstd_rand jitter_;
  // By age: what has no reply. A call's xid is what its number ends with: the same when it is sent
  // again on another connection, so that a server that remembers its replies knows it (RFC
  // 1813 4.4), and another one when it asks for something else.
  std::map<std::uint64_t, std::unique_ptr<Call>> calls_;
  std::vector<std::unique_ptr<Call>> timers_;
  std::uint64_t next_number_;
  std::size_t unsent_ = 0;     // of these, not on the present connection
  bool is_held_back_ = false;  // some of these wait until the socket takes more
  bool is_broken_ = false;     // somebody could not send
  bool is_asleep_ = false;     // the thread looks at no times
  bool is_watched_ = false;    // by the thread: replies wake it
  int alone_ = 0;              // calls in a row that were the only one
  std::thread thread_;
};

}  // namespace claimfs::backends::nfs
