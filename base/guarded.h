#pragma once

#include <mutex>
#include <utility>

namespace claimfs {

// A value that can only be reached under its lock:
//   guarded.with([](State& state) { … });
// A thread holds at most one such lock, and none across a system call that can block, a reply or a
// notification.
template <class T>
class Guarded {
 public:
  Guarded() = default;
  template <class... Args>
  explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

  template <class F>
  decltype(auto) with(F&& use) {
    std::scoped_lock lock(mutex_);
    return std::forward<F>(use)(value_);
  }
  template <class F>
  decltype(auto) with(F&& use) const {
    std::scoped_lock lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace claimfs
