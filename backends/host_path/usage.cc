#include "backends/host_path/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
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

template <class Ending>
std::uint64_t count(int root, const Ending& is_ending) {
  std::uint64_t blocks = 0;
  std::set<ino_t> linked;  // hard links count once
  struct stat found {};
  if (::fstat(root, &found) != 0) return 0;
  const dev_t device = found.st_dev;
  blocks += static_cast<std::uint64_t>(found.st_blocks);
  std::vector<Directory> path;
  const int first = ::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (first < 0) return blocks * 512;
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
    blocks += static_cast<std::uint64_t>(found.st_blocks);
    if (!S_ISDIR(found.st_mode) || path.size() >= kDeepest) continue;
    const int below =
        ::openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) path.emplace_back(::fdopendir(below));
  }
  return blocks * 512;
}

}  // namespace

UsageCount::UsageCount(Fd root) : root_(std::move(root)), counter_([this] { run(); }) {}

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
  const auto age = std::chrono::steady_clock::now() - counted_at_;
  if (!last_ || age > kFresh) {
    is_wanted_ = true;
    changed_.notify_all();
  }
  // A small volume is counted while its df waits; a large one answers with what is known: find and
  // rsync ask as well.
  if (last_ && took_ > kQuick) return last_;
  changed_.wait_for(lock, kFirstWait, [this] { return !is_wanted_ || is_ending_; });
  return last_;
}

void UsageCount::run() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // this thread's
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_wanted_ || is_ending_; });
    if (is_ending_) return;
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    const auto is_ending = [this] {
      std::scoped_lock ending(mutex_);
      return is_ending_;
    };
    const std::uint64_t bytes = count(root_.get(), is_ending);
    const auto took = std::chrono::steady_clock::now() - begin;
    lock.lock();
    last_ = bytes;
    took_ = took;
    counted_at_ = std::chrono::steady_clock::now() + took * kRestFactor;
    is_wanted_ = false;
    changed_.notify_all();
  }
}

}  // namespace claimfs::backends::host_path
