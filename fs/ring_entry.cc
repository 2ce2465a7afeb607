#include "fs/ring_entry.h"

#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <thread>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace claimfs::fs {

namespace {

// Who is replied to may ask for more, of another thread: the kernel has the one happen before the
// other, as write(2) and read(2) of /dev/fuse do. By io_uring the thread sanitizer has to be told.
#ifdef __SANITIZE_THREAD__
char kernel_between;
void replies() { __tsan_release(&kernel_between); }
void is_asked() { __tsan_acquire(&kernel_between); }
#else
void replies() {}
void is_asked() {}
#endif

}  // namespace

Result<std::unique_ptr<RingEntry>> RingEntry::make(int fuse_descriptor, std::uint16_t queue,
                                                   std::uint16_t index, std::size_t payload_size) {
  std::unique_ptr<RingEntry> entry(new RingEntry(fuse_descriptor, queue, index));
  TRY_VOID(entry->set_up(payload_size));
  return entry;
}

Result<void> RingEntry::set_up(std::size_t payload_size) {
  void* const memory = ::mmap(nullptr, kPayloadAt + payload_size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return failure_from_errno("memory for a request");
  memory_ = static_cast<char*>(memory);
  memory_size_ = kPayloadAt + payload_size;
  pieces_[0] = {memory_, sizeof(RingHeaders)};
  pieces_[1] = {memory_ + kPayloadAt, payload_size};
  stirred_ = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!stirred_) return failure_from_errno("eventfd");
  io_uring_params parameters{};
  // Nobody else submits, and nothing is to interrupt this thread while it serves.
  parameters.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  constexpr unsigned kCommands = 1;
  if (const int error = ::io_uring_queue_init_params(kCommands, &ring_, &parameters); error < 0)
    return failure(-error, "io_uring");
  has_ring_ = true;
  return {};
}

RingEntry::~RingEntry() {
  if (has_ring_) ::io_uring_queue_exit(&ring_);
  if (memory_) ::munmap(memory_, memory_size_);
}

void RingEntry::prepare() {
  io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);  // there is room for the one
  ::io_uring_prep_rw(IORING_OP_URING_CMD, entry, fuse_, pieces_, std::size(pieces_), 0);
  entry->cmd_op = is_registered_ ? kRingCommitAndFetch : kRingRegister;
  const RingCommand command{0, headers().transfer.commit_id, queue_, {}};
  // In the second half of the submission, too, which its type does not show.
  std::memcpy(reinterpret_cast<char*>(entry) + offsetof(io_uring_sqe, cmd), &command,
              sizeof command);
  is_offered_ = true;
}

void RingEntry::offer() {
  prepare();
  (void)::io_uring_submit(&ring_);  // else with the first wait
}

namespace {

// It has not been done, and may be asked for again.
bool is_passing(int error) { return error == EINTR || error == EAGAIN || error == EBUSY; }

}  // namespace

Result<RawRequest> RingEntry::next() {
  if (!is_offered_) prepare();
  if (const int error = -::io_uring_submit_and_wait(&ring_, 1); error > 0)
    return failure(is_passing(error) ? EINTR : error);
  io_uring_cqe* answer = nullptr;
  if (::io_uring_peek_cqe(&ring_, &answer) != 0) return failure(EINTR);
  const int error = -answer->res;
  ::io_uring_cqe_seen(&ring_, answer);
  is_offered_ = false;
  if (error > 0) return failure(is_passing(error) ? EINTR : error);
  is_registered_ = true;
  return assemble();
}

RawRequest RingEntry::assemble() {
  is_asked();
  fuse_in_header header;
  std::memcpy(&header, headers().in_out, sizeof header);
  const std::size_t payload = headers().transfer.payload_size;
  const std::size_t operation = header.len - sizeof header - payload;
  is_served_.store(false);
  kernel_number_.store(header.unique);
  header.unique = kMark | (++requests_ << 17) | std::uint64_t{index_} << 1;
  number_.store(header.unique);
  state_.store(State::Asked);
  char* const begin = memory_ + kPayloadAt - operation - sizeof header;
  std::memcpy(begin, &header, sizeof header);
  std::memcpy(begin + sizeof header, headers().operation, operation);
  return {{begin, FreeOurs{.is_ours = false}}, header.len};
}

bool RingEntry::reply(std::uint64_t number, std::span<const iovec> parts) {
  if (number != number_.load() || is_answered()) return false;
  fuse_out_header header;
  std::memcpy(&header, parts.front().iov_base, sizeof header);
  std::size_t size = 0;
  for (const iovec& part : parts.subspan(1)) {
    if (part.iov_len > pieces_[1].iov_len - size) {
      header.error = -EIO;
      size = 0;
      break;
    }
    char* const to = memory_ + kPayloadAt + size;
    if (to != part.iov_base) std::memcpy(to, part.iov_base, part.iov_len);
    size += part.iov_len;
  }
  header.unique = kernel_number_.exchange(0);
  header.len = static_cast<std::uint32_t>(sizeof header + size);
  std::memcpy(headers().in_out, &header, sizeof header);
  headers().transfer.payload_size = static_cast<std::uint32_t>(size);
  replies();
  return end_asking(State::Answered);
}

bool RingEntry::end_asking(State as) {
  {
    std::scoped_lock lock(mutex_);
    State asked = State::Asked;
    if (!state_.compare_exchange_strong(asked, as)) return false;
  }
  if (std::this_thread::get_id() == thread_) return true;
  changed_.notify_one();
  if (is_away_.exchange(false)) ::eventfd_write(stirred_.get(), 1);
  return true;
}

bool RingEntry::wait_for_reply(backends::ReplyWaiter& waiter, std::chrono::milliseconds at_most) {
  const auto end = std::chrono::steady_clock::now() + at_most;
  if (waiter.has_source()) receive_from(waiter, end);
  // Whoever answers may be waiting for this processor.
  for (int time = 0; time < kYields; ++time) {
    if (is_answered()) return true;
    std::this_thread::yield();
  }
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, end, [this] { return is_answered(); });
}

void RingEntry::receive_from(backends::ReplyWaiter& waiter,
                             std::chrono::steady_clock::time_point end) {
  is_away_.store(true);
  waiter.receive_until([this] { return is_answered(); }, stirred_.get(), end);
  // Who has taken that back writes, or has written.
  eventfd_t times = 0;
  if (!is_away_.exchange(false)) (void)::eventfd_read(stirred_.get(), &times);
}

void RingEntry::wait_for_reply() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_answered(); });
}

void RingEntry::give_up_waiting() { (void)end_asking(State::GivenUp); }

}  // namespace claimfs::fs
