#include "fs/workers.h"

#include <linux/fuse.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include <spdlog/spdlog.h>

#include "fs/waiting_threads.h"

namespace claimfs::fs {

namespace {

const fuse_in_header& header_of(const RawRequest& request) {
  return *reinterpret_cast<const fuse_in_header*>(request.memory.get());
}

}  // namespace

void Workers::add() {
  if (count_.fetch_add(1) >= kMost) {
    count_.fetch_sub(1);
    return;
  }
  last_added_.store(std::chrono::steady_clock::now());
  try {
    std::thread([this] { work(); }).detach();
  } catch (const std::system_error& error) {
    // Those that run go on; the kernel's queue waits for them.
    spdlog::warn("worker=not_started reason=\"{}\"", error.what());
    count_.fetch_sub(1);
  }
}

bool Workers::is_one_too_many() const {
  return idle_.load() >= kIdleKept && std::chrono::steady_clock::now() - last_added_.load() > kCalm;
}

void Workers::work() {
  {
    std::scoped_lock lock(mutex_);
    reading_.insert(pthread_self());
  }
  serve();
  std::scoped_lock lock(mutex_);
  reading_.erase(pthread_self());
  count_.fetch_sub(1);
  changed_.notify_all();
}

void Workers::serve() {
  RequestCounts::Tally tally(filesystem_.request_counts());
  RawRequest request;
  while (!is_ending_.load()) {
    fuse_buf buffer{};
    buffer.mem = request.memory.release();  // null: libfuse allocates
    ++idle_;
    const int received = fuse_session_receive_buf(session_, &buffer);
    const bool was_last = idle_.fetch_sub(1) == 1;
    request.memory.reset(static_cast<char*>(buffer.mem));
    if (received == -EINTR || received == -EAGAIN || received == -ENOMEM) continue;
    if (received < 0) spdlog::error("session=broken reason=\"{}\"", Error(-received).message());
    if (received <= 0) break;  // 0: unmounted
    request.size = static_cast<std::size_t>(received);
    if (was_last) add();
    tally.count(header_of(request).opcode);
    take(request);
    if (is_one_too_many()) break;
  }
}

void Workers::take(RawRequest& request) {
  Gate* gate = gate_of(request);
  if (!gate) {
    process(request);
    return;
  }
  switch (gate->enter(request)) {
    case Gate::Entered::Queued:
      return;
    case Gate::Entered::Refused:
      refuse(request, ENOMEM);
      return;
    case Gate::Entered::Inside:
      break;
  }
  // The volume may be given up by its last node during the request: what comes after must not touch
  // it then.
  process(request);
  while (std::optional<RawRequest> next = gate->leave()) {
    request = std::move(*next);
    process(request);
  }
}

void Workers::process(RawRequest& request) {
  fuse_buf buffer{};
  buffer.mem = request.memory.get();
  buffer.size = request.size;
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
  if (::write(fuse_session_fd(session_), &reply, sizeof reply) < 0)
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
