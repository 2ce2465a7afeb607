#pragma once

#include <liburing.h>
#include <sys/uio.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "backends/reply_waiter.h"
#include "base/fd.h"
#include "base/result.h"
#include "fs/fuse_uring.h"
#include "fs/gate.h"

namespace claimfs::fs {

// A place for one request at a time, which the kernel fills by an io_uring of its own, and for its
// reply. Belongs to one thread, which asks for the requests; anybody may reply.
class RingEntry {
 public:
  // `index` tells the entries of a mount apart. To be made by the thread that it belongs to.
  // Errors: the system's, where it does not let us (EPERM, ENOSYS, ENOMEM).
  static Result<std::unique_ptr<RingEntry>> make(int fuse_descriptor, std::uint16_t queue,
                                                 std::uint16_t index, std::size_t payload_size);
  ~RingEntry();
  RingEntry(const RingEntry&) = delete;

  // Lets the kernel have it, before the first next(), which does so otherwise.
  void offer();
  // Gives the kernel the reply to the request before, if there was one, and waits for the next. It
  // is good until it is answered; as read(2) of /dev/fuse would bring it, but for its number, by
  // which is_ringed() and index_of() know it. EINTR: a signal came, ask again. Anything else: the
  // kernel has nothing more for this entry.
  Result<RawRequest> next();

  // Where the bytes of the reply go, behind its header, once there is a request that brings none.
  std::span<std::byte> room() const {
    return {static_cast<std::byte*>(pieces_[1].iov_base), pieces_[1].iov_len};
  }
  // The reply to the request of this number, in the form that write(2) to /dev/fuse has; copied,
  // but for what stands in room() already. False: that request has been answered.
  bool reply(std::uint64_t number, std::span<const iovec> parts);
  bool is_answered() const { return state_.load() != State::Asked; }
  // Until somebody has replied, or nobody will be waited for. False: that takes longer. Where the
  // waiter has a source for it, the reply is received from there by this thread.
  bool wait_for_reply(backends::ReplyWaiter& waiter, std::chrono::milliseconds at_most);
  void wait_for_reply();
  void give_up_waiting();

  // What the kernel calls the request that waits for its reply here, in INTERRUPT; 0: none does.
  std::uint64_t kernel_number() const { return kernel_number_.load(); }
  // What it is called here.
  std::uint64_t number() const { return number_.load(); }
  // Whoever can be told that it was interrupted knows of it.
  bool is_served() const { return is_served_.load(); }
  void note_served() { is_served_.store(true); }

  static bool is_ringed(std::uint64_t number) { return (number & kMark) != 0; }
  static std::uint16_t index_of(std::uint64_t number) {
    return static_cast<std::uint16_t>(number >> 1);
  }

 private:
  // Numbers of the kernel count up from 0.
  static constexpr std::uint64_t kMark = std::uint64_t{1} << 62;
  // Of the memory: the headers, then the payload. What came as separate pieces is put together
  // right before the payload.
  static constexpr std::size_t kPayloadAt = 4096;
  static constexpr int kYields = 4;

  enum class State : std::uint32_t { Idle, Asked, Answered, GivenUp };

  RingEntry(int fuse_descriptor, std::uint16_t queue, std::uint16_t index)
      : fuse_(fuse_descriptor), queue_(queue), index_(index) {}
  Result<void> set_up(std::size_t payload_size);
  void prepare();
  RawRequest assemble();
  // False: somebody else has said so before.
  bool end_asking(State as);
  void receive_from(backends::ReplyWaiter& waiter, std::chrono::steady_clock::time_point end);
  RingHeaders& headers() { return *reinterpret_cast<RingHeaders*>(memory_); }

  const int fuse_;
  const std::uint16_t queue_;
  const std::uint16_t index_;
  const std::thread::id thread_ = std::this_thread::get_id();
  io_uring ring_{};
  bool has_ring_ = false;
  bool is_registered_ = false;
  bool is_offered_ = false;  // to the kernel, whose answer is not seen yet
  char* memory_ = nullptr;
  std::size_t memory_size_ = 0;
  iovec pieces_[2]{};
  std::uint64_t requests_ = 0;

  std::mutex mutex_;  // for whoever ends what is asked
  std::condition_variable changed_;
  Fd stirred_;                        // an eventfd, for who waits where mutex_ and changed_ are not
  std::atomic<bool> is_away_{false};  // it does
  std::atomic<State> state_{State::Idle};
  std::atomic<std::uint64_t> kernel_number_{0};
  std::atomic<std::uint64_t> number_{0};
  std::atomic<bool> is_served_{false};
};

}  // namespace claimfs::fs
