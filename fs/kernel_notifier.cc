#include "fs/kernel_notifier.h"

#include <linux/close_range.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace claimfs::fs {

KernelNotifier::KernelNotifier(int fuse_descriptor)
    : thread_([this, fuse_descriptor] { work(fuse_descriptor); }) {}

KernelNotifier::~KernelNotifier() {
  {
    std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void KernelNotifier::run(const std::function<void()>& act) {
  std::scoped_lock turn(turn_);
  std::unique_lock lock(mutex_);
  act_ = &act;
  changed_.notify_all();
  changed_.wait(lock, [this] { return act_ == nullptr; });
}

void KernelNotifier::work(int fuse_descriptor) {
  // Of this thread only, in a table of its own.
  if (::unshare(CLONE_FILES) == 0) {
    const auto kept = static_cast<unsigned>(fuse_descriptor);
    if (kept > 0) ::syscall(SYS_close_range, 0U, kept - 1, 0U);
    ::syscall(SYS_close_range, kept + 1, ~0U, 0U);
  }
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return act_ || is_ending_; });
    if (!act_) return;
    lock.unlock();
    (*act_)();
    lock.lock();
    act_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace claimfs::fs
