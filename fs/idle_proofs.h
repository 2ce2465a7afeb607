#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "fs/absent_names.h"
#include "fs/node_table.h"

namespace claimfs::fs {

// What the kernel can be told to give up of what it has cached. It waits for requests that are
// under way, so that none of them may wait for it: never called by a worker.
class KernelCache {
 public:
  virtual ~KernelCache() = default;
  // Gives these nodes up as far as nobody uses them, in this order; says so by FORGET, now or
  // later. False where the kernel is too old for it (Linux < 6.18).
  virtual bool prune(std::span<const NodeId> nodes) = 0;
  // Gives a name up, and what is known below it: unmounts what has been mounted there.
  virtual void drop_name(NodeId directory, const std::string& name) = 0;
  // The same for many, each taken right before, until there is none.
  using NextName = std::function<std::optional<AbsentNames::Name>()>;
  virtual void drop_names(const NextName& next) {
    while (const auto name = next()) drop_name(name->directory, name->name);
  }
};

// Proves that the kernel holds nothing of a volume, by having it give up all that is merely cached
// and looking at what it forgets (DESIGN.md 6). What it does not forget is in use, or not forgotten
// yet: only a "yes" is a proof. On a thread of its own, one proof at a time.
class IdleProofs {
 public:
  using Answer = std::function<void(bool)>;
  // Tells whether something is mounted inside the claim, in any mount namespace: what a kernel
  // without prune would unmount.
  using HasMounts = std::function<bool(const ServedClaim&)>;

  IdleProofs(NodeTable& nodes, HasMounts has_mounts);
  ~IdleProofs();

  // Not null before anything is asked; null when the kernel is gone.
  void set_kernel_cache(KernelCache* cache);

  // Answers true when nothing was held and the volume has been shut (ServedVolume::end_use).
  // Returns at once.
  void prove(std::shared_ptr<ServedVolume> volume, bool for_good, Answer answer);

  // A node of the volume has been forgotten.
  void forgotten(const ServedVolume& volume) {
    if (awaited_.load(std::memory_order_relaxed) == &volume) look_again();
  }

  // Drops the absent names that are too many, when there is time for it.
  void trim_later(std::shared_ptr<ServedVolume> volume);

 private:
  struct Job {
    std::shared_ptr<ServedVolume> volume;
    bool for_good = false;
    Answer answer;  // null: its absent names are to be trimmed
  };

  void run();
  bool trim(ServedVolume& volume);
  bool try_to_end(const Job& job);
  bool is_unused(const std::shared_ptr<ServedVolume>& volume);
  bool drop_names(ServedVolume& volume);
  bool await_forgetting(const ServedVolume& volume);
  void look_again();

  NodeTable& nodes_;
  const HasMounts has_mounts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;  // guarded by mutex_, as what follows
  bool is_ending_ = false;
  KernelCache* cache_ = nullptr;
  std::condition_variable idle_;  // no job uses the cache
  bool is_busy_ = false;
  std::atomic<const ServedVolume*> awaited_{nullptr};
  std::thread thread_;
};

}  // namespace claimfs::fs
