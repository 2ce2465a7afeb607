#include "fs/idle_proofs.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "fs/tree.h"

namespace claimfs::fs {
namespace {

// As many as one write to the kernel takes without holding anybody up (FUSE.md F16).
constexpr std::size_t kBatch = 500;
// FORGETs come right behind the notification, but through the workers.
constexpr std::chrono::milliseconds kQuiet{5};
constexpr std::chrono::milliseconds kLongest{200};
// Longer than anybody walks from a claim's root to what is in it.
constexpr std::chrono::milliseconds kWalk{10};
// Directories that have been renamed below younger ones take another round each.
constexpr int kRounds = 64;

}  // namespace

IdleProofs::IdleProofs(NodeTable& nodes, HasMounts has_mounts)
    : nodes_(nodes), has_mounts_(std::move(has_mounts)), thread_([this] { run(); }) {}

IdleProofs::~IdleProofs() {
  {
    std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void IdleProofs::set_kernel_cache(KernelCache* cache) {
  std::unique_lock lock(mutex_);
  cache_ = cache;
  if (!cache) idle_.wait(lock, [this] { return !is_busy_; });
}

void IdleProofs::prove(std::shared_ptr<ServedVolume> volume, bool for_good, Answer answer) {
  {
    std::scoped_lock lock(mutex_);
    jobs_.push_front({std::move(volume), for_good, std::move(answer)});
  }
  changed_.notify_all();
}

void IdleProofs::trim_later(std::shared_ptr<ServedVolume> volume) {
  if (volume->is_being_trimmed.exchange(true)) return;
  {
    std::scoped_lock lock(mutex_);
    jobs_.push_back({std::move(volume), false, nullptr});
  }
  changed_.notify_all();
}

void IdleProofs::look_again() {
  // The lock orders this behind a look that is just about to wait.
  { std::scoped_lock lock(mutex_); }
  changed_.notify_all();
}

void IdleProofs::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !jobs_.empty() || is_ending_; });
    if (is_ending_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    is_busy_ = cache_ != nullptr;
    lock.unlock();
    bool is_left_over = false;
    if (!job.answer)
      is_left_over = is_busy_ && !trim(*job.volume) && !job.volume->is_being_trimmed.exchange(true);
    else
      job.answer(is_busy_ && try_to_end(job));
    if (!is_left_over) job = {};  // perhaps the volume's last hour
    lock.lock();
    is_busy_ = false;
    idle_.notify_all();
    if (!is_left_over) continue;
    jobs_.push_back(std::move(job));
    changed_.wait_for(lock, kQuiet, [this] { return is_ending_; });
  }
}

// False when there are more. Not while a request is under way, as in drop_names().
bool IdleProofs::trim(ServedVolume& volume) {
  volume.is_being_trimmed.store(false);  // who adds one from here on asks anew
  std::size_t count = 0;
  bool is_done = false;
  cache_->drop_names([&]() -> std::optional<AbsentNames::Name> {
    if (++count > kBatch || !volume.gate.is_empty()) return std::nullopt;
    auto excess = volume.absent_names.take_excess();
    is_done = !excess;
    return excess;
  });
  return is_done;
}

// A path that is just being walked holds the root, too, for a moment. Of a claim that has not been
// used yet that must not be taken for a user who was there before its deletion.
bool IdleProofs::try_to_end(const Job& job) {
  const int tries = job.for_good && !job.volume->is_in_use() ? 3 : 1;
  for (int i = 0; i < tries; ++i) {
    if (i > 0) std::this_thread::sleep_for(kWalk);
    if (is_unused(job.volume) && job.volume->end_use(job.for_good)) return true;
  }
  return false;
}

bool IdleProofs::is_unused(const std::shared_ptr<ServedVolume>& volume) {
  for (int round = 0; round < kRounds; ++round) {
    // A request that hangs holds its directory, and would hold us, too.
    if (volume->open_handles.load() > 0 || !volume->gate.is_empty()) return false;
    const std::uint64_t before = volume->nodes.load();
    if (before == 0) return true;
    if (!drop_names(*volume)) return false;
    std::vector<NodeId> nodes = nodes_.nodes_of(*volume);
    bool can_prune = true;
    for (std::span<const NodeId> rest(nodes); !rest.empty() && can_prune;) {
      const auto batch = rest.first(std::min(kBatch, rest.size()));
      can_prune = cache_->prune(batch);
      rest = rest.subspan(batch.size());
    }
    if (!can_prune) {
      const auto claim = volume->claim();
      if (!has_mounts_ || has_mounts_(*claim) || !volume->gate.is_empty()) return false;
      const auto directory = Tree::namespace_inode(claim->name_space);
      const NodeId parent = nodes_.id_of(*nodes_.find(kRootNode)->volume, *directory);
      if (parent != 0) cache_->drop_name(parent, claim->name);
    }
    if (await_forgetting(*volume)) return true;
    if (volume->nodes.load() >= before) return false;
  }
  return false;
}

// False when a request is under way. It may hold its directory's lock in the kernel, for which the
// notification would wait, and cannot be killed meanwhile: of a daemon that dies so the connection
// would never end, and whoever uses its mount would hang.
bool IdleProofs::drop_names(ServedVolume& volume) {
  const std::vector<AbsentNames::Name> names = volume.absent_names.all();
  auto next = names.begin();
  cache_->drop_names([&]() -> std::optional<AbsentNames::Name> {
    for (; next != names.end() && volume.gate.is_empty(); ++next) {
      // Somebody may have made something of that name meanwhile, and mounted something on it.
      if (volume.absent_names.take(*next)) return *next++;
    }
    return std::nullopt;
  });
  return next == names.end();
}

// True when there is nothing left. Gives up when no FORGET has come for a while.
bool IdleProofs::await_forgetting(const ServedVolume& volume) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + kLongest;
  std::unique_lock lock(mutex_);
  awaited_.store(&volume);
  std::uint64_t last = volume.nodes.load();
  while (last > 0 && Clock::now() < deadline && !is_ending_) {
    changed_.wait_for(lock, kQuiet, [&] { return volume.nodes.load() != last || is_ending_; });
    const std::uint64_t now = volume.nodes.load();
    if (now == last) break;
    last = now;
  }
  awaited_.store(nullptr);
  return last == 0;
}

}  // namespace claimfs::fs
