#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace claimfs::fs {

// A thread for what may wait for the kernel's own locks. When the process is killed while it waits
// for a directory that a request holds, which now nobody answers, it cannot die; it shares no
// descriptors with the others, so that these are closed all the same: the lock that proves the
// daemon alive, above all. Whoever sees by it that the daemon is dead aborts the connection, and
// that lets the thread go.
class KernelNotifier {
 public:
  // Keeps this descriptor only.
  explicit KernelNotifier(int fuse_descriptor);
  ~KernelNotifier();

  // Returns when `act` has run there. It uses no other descriptor than that one. One at a time.
  void run(const std::function<void()>& act);

 private:
  void work(int fuse_descriptor);

  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* act_ = nullptr;  // guarded by mutex_, as what follows
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace claimfs::fs
