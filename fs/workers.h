#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "fs/filesystem.h"
#include "fs/gate.h"
#include "fs/libfuse.h"

namespace claimfs::fs {

// The threads that read the kernel's requests and serve them. As few as are busy: a thread is added
// when the last idle one takes a request. One too many goes, but not while others are being added:
// where the caller preempts whoever has just answered it, several are about to read at a time, and
// making and ending threads at that pace costs four times a request (10 against 45 us, one CPU).
class Workers {
 public:
  Workers(fuse_session* session, Filesystem& filesystem)
      : session_(session), filesystem_(filesystem) {}
  Workers(const Workers&) = delete;

  void start() { add(); }

  // Until all have ended, which they do when the mount is gone or stop() was called. False when
  // some still hang in a backend some seconds after that.
  bool wait();
  void stop();

  std::size_t count() const { return count_.load(); }

 private:
  static constexpr std::size_t kMost = 256;  // Gate::kWidth each for 16 volumes that hang
  static constexpr std::size_t kIdleKept = 3;
  static constexpr std::chrono::seconds kCalm{2};

  void add();
  bool is_one_too_many() const;
  void work();
  void serve();
  void take(RawRequest& request);
  void process(RawRequest& request);
  Gate* gate_of(const RawRequest& request);
  void refuse(const RawRequest& request, int error);

  fuse_session* session_;
  Filesystem& filesystem_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::size_t> idle_{0};
  std::atomic<bool> is_ending_{false};
  std::atomic<std::chrono::steady_clock::time_point> last_added_{};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<pthread_t> reading_;  // guarded by mutex_: those that a signal brings back
};

}  // namespace claimfs::fs
