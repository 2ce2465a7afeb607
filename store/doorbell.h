#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "store/state_files.h"

namespace claimfs::store {

// Tells the listeners of all processes that something was committed. Called after the commit: a
// watch on the write-ahead log would fire before the commit can be read. Never fails: who misses it
// looks again by himself.
void ring_doorbell(const StateFiles& files);

// Hears the doorbell, and the end of sessions: a session's file is open for writing as long as its
// process lives, and the kernel reports the close after it has dropped the lock. Used by one
// thread, but for wake().
class DoorbellListener {
 public:
  // What came before open() is not heard.
  static Result<std::unique_ptr<DoorbellListener>> open(const StateFiles& files);

  enum class Heard { Ring, Wake, Nothing };
  // Waits at most this long. A ring or wake() since the last wait counts; several are one. A Ring
  // may be for nothing.
  Heard wait(std::chrono::milliseconds timeout);
  void wake();

 private:
  DoorbellListener(const StateFiles& files, Fd waker) : files_(files), waker_(std::move(waker)) {}
  bool listen();
  void drain();

  const StateFiles files_;
  const Fd waker_;
  Fd inotify_;
};

}  // namespace claimfs::store
