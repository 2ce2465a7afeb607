#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>

#include "base/adaptive_spin.h"
#include "fs/filesystem.h"
#include "fs/gate.h"
#include "fs/libfuse.h"
#include "fs/reading_turn.h"
#include "fs/rings.h"

namespace claimfs::fs {

// The threads that read the kernel's requests and serve them, one reading at a time (ReadingTurn).
// Whoever has read goes on to serve the request, and another thread is called where there is more
// to read, or serving takes long. Where the kernel has it, most requests come by Rings.
class Workers {
 public:
  // `make_request` has the kernel make one that is answered at once.
  Workers(fuse_session* session, Filesystem& filesystem, std::function<void()> make_request);
  Workers(const Workers&) = delete;

  void start() { add(); }

  // Until all have ended, which they do when the mount is gone or stop() was called. False when
  // some still hang in a backend some seconds after that.
  bool wait();
  void stop();

  std::size_t count() const { return count_.load(); }

  Rings& rings() { return rings_; }

 private:
  static constexpr std::size_t kMost = 256;  // Gate::kWidth each for 16 volumes that hang

  void add();
  bool begin(std::function<void()> work);
  void serve();
  int receive(RawRequest& request);
  void wait_awake();
  bool is_more_there() const;
  bool is_another_wanted(std::uint32_t opcode) const;
  void take_watched(RawRequest& request);
  void take(RawRequest& request);
  void process(RawRequest& request);
  void interrupt(std::uint64_t number);
  Gate* gate_of(const RawRequest& request);
  void refuse(const RawRequest& request, int error);

  fuse_session* session_;
  Filesystem& filesystem_;
  std::atomic<std::size_t> count_{0};    // of all threads
  std::atomic<std::size_t> readers_{0};  // of those that read /dev/fuse
  std::atomic<bool> is_ending_{false};
  std::atomic<bool> is_short_of_threads_{false};
  AdaptiveSpin spin_{std::chrono::microseconds(50)};  // by who has the turn
  const std::size_t processors_;
  std::atomic<std::size_t> serving_{0};
  std::atomic<int> sleeps_{0};  // > 0: those that serve have been sleeping of late

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<pthread_t> reading_;  // guarded by mutex_: those that a signal brings back

  Rings rings_;
  ReadingTurn turn_;  // last: it adds threads, which use all of the above
};

}  // namespace claimfs::fs
