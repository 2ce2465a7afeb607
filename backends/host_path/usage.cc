#include "backends/host_path/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace claimfs::backends::host_path {

namespace {

// Recounted at most this often, and never more than a hundredth of the time.
constexpr std::chrono::milliseconds kFresh{1000};
constexpr int kRestFactor = 100;
constexpr std::chrono::milliseconds kFirstWait{250};
constexpr int kNice = 10;  // those who use the volume go first
// Counts that took no longer are waited for.
constexpr std::chrono::milliseconds kQuick{10};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Depth first with one open directory a level; deeper levels than descriptors can be held are not
// counted.
constexpr std::size_t kDeepest = 200;

struct Counted {
  std::uint64_t bytes = 0;
  bool is_complete = true;
};

template <class Ending>
Counted count(int root, const Ending& is_ending) {
  Counted counted;
  const auto add = [&counted](const struct stat& found) {
    counted.bytes += static_cast<std::uint64_t>(found.st_blocks) * 512;
  };
  std::set<ino_t> linked;  // hard links count once
  struct stat found {};
  if (::fstat(root, &found) != 0) return {.bytes = 0, .is_complete = false};
  const dev_t device = found.st_dev;
  add(found);
  std::vector<Directory> path;
  const int first = ::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (first < 0) return {.bytes = counted.bytes, .is_complete = false};
  path.emplace_back(::fdopendir(first));
  while (!path.empty() && !is_ending()) {
    const dirent* entry = ::readdir(path.back().get());
    if (!entry) {
      path.pop_back();
      continue;
    }
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    const int directory = ::dirfd(path.back().get());
    if (::fstatat(directory, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        found.st_dev != device)
      continue;
    if (!S_ISDIR(found.st_mode) && found.st_nlink > 1 && !linked.insert(found.st_ino).second)
      continue;
    add(found);
    if (!S_ISDIR(found.st_mode)) continue;
    int below = -1;
    if (path.size() < kDeepest)
      below = ::openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0)
      path.emplace_back(::fdopendir(below));
    else if (path.size() >= kDeepest || errno != ENOENT)
      counted.is_complete = false;
  }
  return counted;
}

}  // namespace

UsageCount::UsageCount(Fd root, CountWatcher* watcher)
    : root_(std::move(root)), watcher_(watcher), counter_([this] { run(); }) {}

UsageCount::~UsageCount() {
  {
    std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  counter_.join();
}

std::optional<std::uint64_t> UsageCount::bytes() {
  std::unique_lock lock(mutex_);
  if (!last_ || Clock::now() - counted_at_ > kFresh) {
    is_wanted_ = true;
    changed_.notify_all();
  }
  // A small volume is counted while its df waits; a large one answers with what is known: find and
  // rsync ask as well.
  if (last_ && took_ > kQuick) return last_;
  changed_.wait_for(lock, kFirstWait, [this] { return !is_wanted_ || is_ending_; });
  return last_;
}

void UsageCount::want() {
  {
    std::scoped_lock lock(mutex_);
    is_wanted_ = true;
  }
  changed_.notify_all();
}

void UsageCount::poke() {
  {
    std::scoped_lock lock(mutex_);
    is_poked_ = true;
  }
  changed_.notify_all();
}

void UsageCount::run() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // this thread's
  auto next_look = Clock::time_point::max();
  std::unique_lock lock(mutex_);
  while (true) {
    const auto is_called = [this] { return is_wanted_ || is_poked_ || is_ending_; };
    if (next_look != Clock::time_point::max())
      changed_.wait_until(lock, next_look, is_called);
    else
      changed_.wait(lock, is_called);
    if (is_ending_) return;
    if (is_wanted_) count_once(lock);
    if (!watcher_ || (!is_poked_ && Clock::now() < next_look)) continue;
    is_poked_ = false;
    lock.unlock();
    const auto pause = watcher_->look_after();
    lock.lock();
    next_look = pause ? Clock::now() + *pause : Clock::time_point::max();
  }
}

void UsageCount::count_once(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto begin = Clock::now();
  const auto is_ending = [this] {
    std::scoped_lock ending(mutex_);
    return is_ending_;
  };
  if (watcher_) watcher_->count_begins();
  const Counted counted = count(root_.get(), is_ending);
  const auto took = Clock::now() - begin;
  if (watcher_ && !is_ending()) watcher_->count_ended(counted.bytes, counted.is_complete);
  lock.lock();
  last_ = counted.bytes;
  took_ = took;
  counted_at_ = Clock::now() + took * kRestFactor;
  is_wanted_ = false;
  changed_.notify_all();
}

}  // namespace claimfs::backends::host_path
