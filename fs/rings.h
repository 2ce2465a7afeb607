#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "fs/request_counts.h"
#include "fs/ring_entry.h"

namespace claimfs::fs {

// The kernel's requests by io_uring: of each processor a queue, which is served on that processor,
// with one system call a request. Each thread has one entry; the kernel prefers the one that has
// been waiting for the shortest time. Where all of a queue serve, or wait for somebody's answer,
// another is made: at once where that is known, and after a millisecond by the keeper otherwise.
// The kernel gives a new entry no request that waits already: it takes those when one is answered.
// So a request of our own follows, made on that processor.
//
// FORGET and INTERRUPT still come by /dev/fuse. The kernel sends no INTERRUPT for a signal that
// comes while it hands the request over (fuse_uring_prepare_send of its fs/fuse/dev_uring.c does
// not look at FR_INTERRUPTED, as fuse_dev_do_read does), which takes as long as our thread needs to
// run, or another needs to be answered: so the signals of who waits for long are looked at, once.
class Rings {
 public:
  // By threads of ours.
  struct Side {
    // Serves it, or sees to that.
    std::function<void(RawRequest& request)> serve;
    // Whether that waits for a disk.
    std::function<bool(std::uint32_t opcode)> takes_long;
    // Begins a thread of the mount that does it. False: the system has no more of them.
    std::function<bool(std::function<void()> work)> begin_thread;
    // A request that has been served and not answered is interrupted. It may have been told so
    // before, or be answered just now.
    std::function<void(std::uint64_t number)> interrupt;
    // Whether a signal is there that ends a wait of this thread.
    std::function<bool(pid_t caller)> is_signalled;
    // Makes a request that is answered at once, and waits for that.
    std::function<void()> make_request;
    RequestCounts& counts;
  };
  // Entries in all: callers that wait for answers beyond this wait for the first of them.
  static constexpr std::size_t kMost = 1024;

  explicit Rings(Side side) : side_(std::move(side)) {}
  Rings(const Rings&) = delete;
  ~Rings();

  // Makes what is needed before the kernel is told that it may use it. An error: why that cannot
  // be; then nothing has been made.
  Result<void> prepare(int fuse_descriptor, std::size_t payload_size);
  // Now the kernel knows.
  void open();
  // Nobody waits for an answer any more. Who waits for requests is brought back by a signal.
  void end();

  bool is_prepared() const { return is_prepared_.load(); }

  // As writev(2) to /dev/fuse, for all replies of the mount.
  ssize_t write(int fuse_descriptor, const iovec* parts, int count);
  // Where the bytes of the reply to this request go; empty: it has come by /dev/fuse.
  std::span<std::byte> room_of(std::uint64_t number) const;
  // The kernel has sent an INTERRUPT of the request that it calls so. It may come before that: then
  // it is kept until the request has been served. False: no entry has such a request now.
  bool interrupt(std::uint64_t kernel_number);

 private:
  struct Queue {
    std::uint16_t number = 0;
    std::atomic<int> idle{0};  // those that have just been made, too
    std::atomic<std::uint64_t> received{0};
  };
  static constexpr std::chrono::milliseconds kTick{1};
  static constexpr int kQuietTicks = 20;
  // How long a request waits until its caller's signals are looked at.
  static constexpr std::chrono::milliseconds kPatience{200};
  // Interrupts whose request has not been seen; older ones are of requests that were answered.
  static constexpr std::size_t kEarly = 64;

  enum class Added { AtFirst, Later };
  Result<void> add(Queue& queue, Added when);
  Result<RingEntry*> make_entry(const Queue& queue);
  bool wait_until_open(Result<void> has_entry);
  void set_going(const Queue& queue, RingEntry& entry);
  void work(Queue& queue, RingEntry& entry);
  void wait_for_reply(Queue& queue, RingEntry& entry, backends::ReplyWaiter& waiter, pid_t caller);
  void call_another(Queue& queue);
  bool take_early(std::uint64_t kernel_number);
  void note_activity();
  void keep();
  bool look_after(Queue& queue, std::uint64_t& seen);

  const Side side_;
  int fuse_ = -1;
  std::size_t payload_size_ = 0;
  std::deque<Queue> queues_;
  std::atomic<bool> is_prepared_{false};
  std::atomic<bool> is_ended_{false};
  std::atomic<bool> is_watched_{false};
  std::atomic<bool> is_short_{false};  // of what an entry needs

  std::array<std::atomic<RingEntry*>, kMost> entries_{};  // by index, never taken back
  std::atomic<std::size_t> entry_count_{0};
  std::atomic<std::size_t> early_count_{0};

  std::mutex mutex_;  // for what follows
  std::condition_variable changed_;
  bool is_open_ = false;
  std::deque<std::unique_ptr<RingEntry>> owned_;
  std::size_t begun_ = 0;            // threads that have an entry, or cannot have one
  Result<void> first_failure_;       // why one of them cannot
  std::deque<std::uint64_t> early_;  // INTERRUPTs, by what the kernel calls the requests

  std::thread keeper_;
};

}  // namespace claimfs::fs
