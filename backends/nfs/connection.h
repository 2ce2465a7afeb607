#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "backends/nfs/address.h"
#include "backends/nfs/call.h"
#include "base/fd.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// One TCP connection to a program of a server, and the thread that has it: libnfs' contexts belong
// to one thread each. Whatever happens to the server, calls wait here: the connection is made
// again, with pauses from 0.1 s to 5 s, and what had no reply is sent again. All replies are handed
// on by its thread, which never waits for anything else.
class Connection {
 public:
  struct Settings {
    std::vector<Address> addresses;  // tried in turn
    std::uint16_t port = 0;
    int program = 0;
    int version = 0;
    bool is_reserved = true;
    Clock::duration timeout{};  // without any reply: the connection is made anew
    bool gives_up = false;      // a failed connection fails the calls that wait
    // Asks the port mapper anew when the port has refused more than once; null: it is fixed. Blocks
    // for a second at most.
    std::function<std::optional<std::uint16_t>()> find_port{};
  };

  explicit Connection(Settings settings);
  Connection(const Connection&) = delete;
  ~Connection() { stop(); }

  // From any thread. The reply comes from the connection's; after stop() the call fails with EIO.
  void submit(std::unique_ptr<Call> call);

  // Whose thread this is; null: no connection's.
  static Connection* served_by_this_thread();

  // Fails what waits with EIO and ends the thread. Does not wait for the server.
  void stop();

  // Sends what waited for something else than its reply.
  void wake() { doorbell_->ring(); }

  // Since when the server has not answered what it was asked; none: it has.
  std::optional<Clock::time_point> silent_since() const;

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

  void run();
  bool take_inbox();  // false: it is time to stop
  void add(std::unique_ptr<Call> call);
  void look_at_times();
  void begin_connecting_when_due();
  void finish_connecting();
  void connection_failed(int errno_code);
  void disconnect();
  void serve(short events);
  void send_waiting();
  void send(std::uint64_t number, Call& call);
  int poll_timeout_ms() const;
  static void on_reply(rpc_context* context, int status, void* data, void* tag);
  void replied(std::uint64_t number, int status, void* data);
  void note_reply();
  void fail_all(int errno_code);

  const Settings settings_;
  const std::shared_ptr<Doorbell> doorbell_;
  Guarded<Inbox> inbox_;
  std::atomic<Clock::rep> silent_since_{0};

  // The rest is the thread's.
  struct DestroyContext {
    void operator()(rpc_context* context) const;
  };
  std::uint16_t port_;
  std::size_t next_address_ = 0;
  Fd connecting_;
  Clock::time_point connecting_until_{};
  std::unique_ptr<rpc_context, DestroyContext> context_;
  std::optional<Identity> told_;  // whom the context speaks for
  Clock::time_point heard_at_{};
  Clock::time_point looked_at_{};
  Clock::time_point retry_at_{};
  Clock::duration pause_{};
  int refusals_ = 0;
  std::minstd_rand jitter_;
  // By age: what has no reply. Numbers are the tags that libnfs gives back.
  std::map<std::uint64_t, std::unique_ptr<Call>> calls_;
  std::uint64_t next_number_ = 1;
  std::size_t unsent_ = 0;             // of these, not on the present connection
  std::vector<std::uint64_t> broken_;  // told by libnfs that they failed, in one round of it
  std::thread thread_;
};

}  // namespace claimfs::backends::nfs
