#pragma once

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

#include "backends/ground.h"

namespace claimfs {

// Directories that exist only here, and can be made to fail. A directory that something was put
// into is in `contents`.
class MemoryGround final : public backends::Ground {
 public:
  Result<void> make_directory(const std::string& base, const std::string& below,
                              mode_t /*mode*/) override {
    return with([&]() -> Result<void> {
      directories.insert(base + "/" + below);
      return {};
    });
  }
  Result<void> remove_tree(const std::string& path, backends::RemovalProgress& progress,
                           std::stop_token stop) override {
    if (is_held_) {
      progress.files = 7;
      progress.bytes = 5 << 20;
      std::unique_lock lock(mutex_);
      if (!let_go_.wait(lock, stop, [this] { return !is_held_; })) return failure(ECANCELED);
    }
    return with([&]() -> Result<void> {
      progress.files = progress.files + 1;
      directories.erase(path);
      contents.erase(path);
      return {};
    });
  }
  Result<void> scrub(const std::string& path, backends::RemovalProgress& /*progress*/,
                     std::stop_token /*stop*/) override {
    return with([&]() -> Result<void> {
      if (!directories.contains(path)) return failure(ENOENT, path);
      contents.erase(path);
      return {};
    });
  }
  Result<std::string> archive(const std::string& path, const std::string& name) override {
    return with([&]() -> Result<std::string> {
      const std::string to = path.substr(0, path.rfind('/') + 1) + name;
      if (directories.erase(path) != 0) directories.insert(to);
      return to;
    });
  }

  // Removals begin, and wait.
  void hold() { is_held_ = true; }
  void let_go() {
    const std::scoped_lock lock(mutex_);
    is_held_ = false;
    let_go_.notify_all();
  }

  // For the test's own thread, while nothing works here.
  std::set<std::string> directories;
  std::set<std::string> contents;
  std::string broken;  // every call fails with this
  int calls = 0;

 private:
  template <class Act>
  std::invoke_result_t<Act> with(Act&& act) {
    const std::scoped_lock lock(mutex_);
    ++calls;
    if (!broken.empty()) return failure(EIO, broken);
    return act();
  }

  std::mutex mutex_;
  std::atomic<bool> is_held_ = false;
  std::condition_variable_any let_go_;
};

}  // namespace claimfs
