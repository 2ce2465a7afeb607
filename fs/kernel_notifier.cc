#include "fs/kernel_notifier.h"

#include <sched.h>

#include "base/close_descriptors.h"

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
  if (::unshare(CLONE_FILES) == 0) close_descriptors_but(fuse_descriptor, 0);
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
