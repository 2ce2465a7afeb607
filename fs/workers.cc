#include "fs/workers.h"

#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/processors.h"
#include "fs/caller_signals.h"
#include "fs/kernel_replies.h"
#include "fs/reply_room.h"
#include "fs/waiting_threads.h"

namespace claimfs::fs {

namespace {

const fuse_in_header& header_of(const RawRequest& request) {
  return *reinterpret_cast<const fuse_in_header*>(request.memory.get());
}

// Answered without asking anybody; the next one is read sooner than another thread is there.
bool is_quick(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
      return true;
    default:
      return false;
  }
}

// Waits for a disk.
bool takes_long(std::uint32_t opcode) {
  return opcode == FUSE_FSYNC || opcode == FUSE_FSYNCDIR || opcode == FUSE_FALLOCATE ||
         opcode == FUSE_COPY_FILE_RANGE;
}

// How often this thread has waited for something in the kernel.
long sleeps_of_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

// One in so many requests is watched.
constexpr std::uint32_t kSample = 16;
// Of those, so many after one that has slept are expected to sleep too.
constexpr int kSleepsExpected = 8;

}  // namespace

Workers::Workers(fuse_session* session, Filesystem& filesystem, std::function<void()> make_request)
    : session_(session),
      filesystem_(filesystem),
      processors_(usable_processors()),
      rings_({.serve = [this](RawRequest& request) { take(request); },
              .takes_long = takes_long,
              .begin_thread = [this](auto work) { return begin(std::move(work)); },
              .interrupt = [this](std::uint64_t number) { interrupt(number); },
              .is_signalled = [](pid_t caller) { return is_signalled(signals_of(caller)); },
              .make_request = std::move(make_request),
              .counts = filesystem.request_counts()}),
      turn_([this] { add(); }) {}

void Workers::add() {
  if (readers_.fetch_add(1) >= kMost || !begin([this] {
        serve();
        readers_.fetch_sub(1);
      }))
    readers_.fetch_sub(1);
}

bool Workers::begin(std::function<void()> work) {
  count_.fetch_add(1);
  try {
    std::thread([this, work = std::move(work)] {
      {
        std::scoped_lock lock(mutex_);
        reading_.insert(pthread_self());
      }
      work();
      std::scoped_lock lock(mutex_);
      reading_.erase(pthread_self());
      count_.fetch_sub(1);
      changed_.notify_all();
    }).detach();
    is_short_of_threads_.store(false);
    return true;
  } catch (const std::system_error& error) {
    // Those that run go on; the kernel's queue waits for them. It is tried again every millisecond.
    if (!is_short_of_threads_.exchange(true))
      spdlog::warn("worker=not_started reason=\"{}\"", error.what());
    count_.fetch_sub(1);
    return false;
  }
}

void Workers::serve() {
  RequestCounts::Tally tally(filesystem_.request_counts());
  RawRequest request;
  std::uint32_t served = 0;
  bool has_answered = false;
  while (turn_.take()) {
    if (has_answered) wait_awake();
    const int received = receive(request);
    const std::uint32_t opcode = received > 0 ? header_of(request).opcode : 0;
    const bool calls = received > 0 && is_another_wanted(opcode);
    turn_.give_back();
    if (received == -EINTR || received == -EAGAIN || received == -ENOMEM) {
      if (is_ending_.load()) break;
      continue;
    }
    if (received < 0) spdlog::error("session=broken reason=\"{}\"", Error(-received).message());
    if (received <= 0) {  // 0: unmounted
      turn_.end();
      rings_.end();
      break;
    }
    if (calls) turn_.call_another();
    tally.count(opcode);
    const std::uint64_t replies = replies_of_thread();
    ++serving_;
    if (++served % kSample == 0)
      take_watched(request);
    else
      take(request);
    --serving_;
    has_answered = replies_of_thread() != replies;
  }
}

// Whether a request sleeps is looked at now and then: to look takes a system call.
void Workers::take_watched(RawRequest& request) {
  const long before = sleeps_of_thread();
  take(request);
  if (sleeps_of_thread() != before)
    sleeps_.store(kSleepsExpected, std::memory_order_relaxed);
  else if (sleeps_.load(std::memory_order_relaxed) > 0)
    sleeps_.fetch_sub(1, std::memory_order_relaxed);
}

// More threads than processors are of use only where they sleep.
bool Workers::is_another_wanted(std::uint32_t opcode) const {
  if (takes_long(opcode)) return true;
  if (is_quick(opcode)) return false;
  return (sleeps_.load(std::memory_order_relaxed) > 0 || serving_.load() + 1 < processors_) &&
         is_more_there();
}

// As fuse_session_receive_buf.
int Workers::receive(RawRequest& request) {
  fuse_buf buffer{};
  buffer.mem = request.memory.release();  // null: libfuse allocates
  const int received = fuse_session_receive_buf(session_, &buffer);
  request.memory.reset(static_cast<char*>(buffer.mem));
  if (received > 0) request.size = static_cast<std::size_t>(received);
  return received;
}

// Whoever has been answered mostly asks again at once, and to be woken for that takes longer than
// to be served.
void Workers::wait_awake() {
  // On its processor nobody would ask meanwhile.
  if (processors_ > 1) spin_.until([this] { return is_more_there(); });
}

bool Workers::is_more_there() const {
  pollfd requests{fuse_session_fd(session_), POLLIN, 0};
  return ::poll(&requests, 1, 0) != 0;
}

void Workers::take(RawRequest& request) {
  Gate* gate = gate_of(request);
  if (!gate) {
    process(request);
    return;
  }
  if (!request.memory.get_deleter().is_ours) {
    // Of a ring, whose thread cannot leave it behind, nor go on with another one before the kernel
    // has the reply.
    gate->wait_inside();
  } else {
    switch (gate->enter(request)) {
      case Gate::Entered::Queued:
        return;
      case Gate::Entered::Refused:
        refuse(request, ENOMEM);
        return;
      case Gate::Entered::Inside:
        break;
    }
  }
  // The volume may be given up by its last node during the request: what comes after must not touch
  // it then.
  process(request);
  while (std::optional<RawRequest> next = gate->leave()) process(*next);
}

void Workers::process(RawRequest& request) {
  const std::uint32_t opcode = header_of(request).opcode;
  if (opcode == FUSE_INTERRUPT && rings_.is_prepared()) {
    fuse_interrupt_in interrupt{};
    std::memcpy(&interrupt, request.memory.get() + sizeof(fuse_in_header), sizeof interrupt);
    // Else it may be of one that came by /dev/fuse: the kernel goes back to that when it cannot use
    // our rings.
    if (rings_.interrupt(interrupt.unique)) return;
  }
  fuse_buf buffer{};
  buffer.mem = request.memory.get();
  buffer.size = request.size;
  const ReplyRoom room(rings_.room_of(header_of(request).unique));
  fuse_session_process_buf(session_, &buffer);
  if (opcode == FUSE_INIT && rings_.is_prepared()) rings_.open();
}

// As the kernel says it of a request that has come by /dev/fuse.
void Workers::interrupt(std::uint64_t number) {
  struct {
    fuse_in_header header{};
    fuse_interrupt_in interrupt{};
  } message;
  message.header.len = sizeof message;
  message.header.opcode = FUSE_INTERRUPT;
  message.interrupt.unique = number;
  fuse_buf buffer{};
  buffer.mem = &message;
  buffer.size = sizeof message;
  fuse_session_process_buf(session_, &buffer);
}

// Null: served at once, whatever else is going on. Those are requests that wait for nobody.
Gate* Workers::gate_of(const RawRequest& request) {
  const fuse_in_header& header = header_of(request);
  switch (header.opcode) {
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
    case FUSE_INIT:
    case FUSE_DESTROY:
      return nullptr;
    default:
      break;
  }
  ServedVolume* volume = filesystem_.volume_of(header.nodeid);
  return volume && volume->has_backend_of_its_own() ? &volume->gate : nullptr;
}

void Workers::refuse(const RawRequest& request, int error) {
  const fuse_in_header& header = header_of(request);
  fuse_out_header reply{};
  reply.len = sizeof reply;
  reply.error = -error;
  reply.unique = header.unique;
  const iovec part{&reply, sizeof reply};
  if (rings_.write(fuse_session_fd(session_), &part, 1) < 0)
    spdlog::debug("refusal=not_taken unique={}", header.unique);
}

bool Workers::wait() {
  constexpr std::chrono::seconds kPatience{3};
  std::unique_lock lock(mutex_);
  const auto all_ended = [this] { return count_.load() == 0; };
  // Somebody has noticed the end, and then all should within the patience.
  changed_.wait(lock,
                [&] { return all_ended() || fuse_session_exited(session_) || is_ending_.load(); });
  return changed_.wait_for(lock, kPatience, all_ended);
}

void Workers::stop() {
  is_ending_.store(true);
  fuse_session_exit(session_);
  turn_.end();
  rings_.end();
  std::unique_lock lock(mutex_);
  changed_.notify_all();
  // A signal may come just before a worker begins to read: again until it has noticed.
  constexpr std::chrono::milliseconds kAgain{10};
  constexpr int kTimes = 300;
  for (int time = 0; time < kTimes && count_.load() > 0; ++time) {
    for (const pthread_t worker : reading_) ::pthread_kill(worker, WaitingThreads::kSignal);
    changed_.wait_for(lock, kAgain, [this] { return count_.load() == 0; });
  }
}

}  // namespace claimfs::fs
