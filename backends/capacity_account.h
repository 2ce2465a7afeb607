#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "backends/capacity.h"
#include "backends/capacity_ledger.h"
#include "backends/reservation.h"
#include "backends/usage_count.h"
#include "base/result.h"

namespace claimfs::backends {

// Keeps a volume within its capacity by what its writers reserve before they write (DESIGN.md 5):
// the bound, its grants and its recounts. What files have become is told by whoever knows their
// filesystem. Thread-safe but for start(), end() and leave().
class CapacityAccount : public CountWatcher {
 public:
  explicit CapacityAccount(CapacityOptions options);

  // In this order: start(), operations, end() (who waits for the first count waits no more), the
  // count's end, leave().
  Result<void> start();
  void set_count(UsageCount& count);
  void end();
  void leave();

  void set_capacity(std::uint64_t bytes) { capacity_.store(bytes); }
  // What is occupied, as all mounts know it; absent while nobody has counted.
  std::optional<std::uint64_t> used_bytes() const;

  // Room for a change: as much of `wanted` as there is; of the shared bound nothing, if that does
  // not make `least`. May wait for the first count, and a moment for others to give back.
  Result<Reservation> reserve(std::uint64_t wanted, std::uint64_t least);
  // ENOSPC, told to whom it may concern.
  tl::unexpected<Error> refuse_for_room();
  // What a filesystem may need for its own purposes at once.
  std::uint64_t slop() const;

  void count_begins() override;
  void count_ended(std::uint64_t bytes, bool is_complete) override;
  void count_failed(const Error& why) override;
  std::optional<std::chrono::milliseconds> look_after() override;

 protected:
  using Clock = std::chrono::steady_clock;

  // end()'s parts: what waits in reserve() ends with EIO, and comes no more before the other.
  void end_waiting();
  void forget_count();

  // A grant before it is needed. Nothing where the last one says that little is free. Blocks as the
  // store does.
  static constexpr std::uint64_t kPlenty = std::uint64_t{32} << 20;
  void grant_ahead();
  bool has_plenty() const { return last_granted_.load() >= kPlenty; }

  // Has the counting thread come soon, if it would not anyway.
  void call_for_look();
  // Looks at what nobody tells of; whether it has to be done again.
  virtual bool look_at_files() { return false; }

  CapacityLedger ledger_;
  std::atomic<std::int64_t> nameless_bytes_{0};
  // A count that was under way when something moved may have missed it: it is void.
  std::atomic<std::uint64_t> moves_{0};
  std::atomic<std::uint64_t> moving_{0};  // of these, not ended

  // Held by each change until it is in the ledger, and by a recount when it takes its sum: what is
  // gone from the disk and is no credit yet would be promised to nobody, and then be spent.
  std::shared_mutex changing_;
  std::uint64_t recounts_ = 0;  // that replaced the bound; guarded by it

 private:
  Result<void> ask(Reservation& room, std::uint64_t wanted, std::uint64_t least);
  // Raises the bound for who needs so much; not at all when less than `least` is free. Under
  // asking_.
  Result<void> raise(std::uint64_t need, std::uint64_t least);
  std::unique_lock<std::shared_mutex> moment_without_changes();
  void adjust_bound();
  bool report();

  std::atomic<std::uint64_t> capacity_;
  const std::function<void()> report_full_;
  const std::unique_ptr<SharedBound> shared_;

  std::atomic<std::uint64_t> bound_{0};  // as last seen
  std::atomic<std::uint64_t> last_granted_{0};
  std::atomic<bool> is_counted_{false};  // changed under asking_
  std::atomic<bool> is_active_{false};
  std::atomic<bool> is_full_{false};  // somebody was refused since it was last reported
  std::atomic<bool> is_looked_after_{false};

  std::mutex count_lock_;
  UsageCount* count_ = nullptr;  // guarded by it for those who come when operations have ended

  // One thread at a time asks the shared bound; the others would only make it try again. Held
  // across calls of the store.
  std::mutex asking_;
  std::condition_variable counted_;
  // Guarded by it:
  std::optional<Error> count_failure_;  // of the first count
  bool is_ending_ = false;

  // The counting thread's own:
  bool is_alone_ = false;
  CapacityLedger::State at_begin_;
  std::uint64_t moves_at_begin_ = 0;
  std::uint64_t grown_at_look_ = 0;
  std::optional<Clock::time_point> reported_at_;
};

// The most bytes that anybody may ask for at once.
inline constexpr std::uint64_t kMostRoom = INT64_MAX / 2;

// What filesystems allocate by, and what of it a number of bytes fills.
inline constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::uint64_t in_blocks(std::uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// ext4 makes the blocks of an extent tree when it writes back, seconds after the write: of 340
// extents each, half full at worst.
inline constexpr std::uint64_t kMetadataShare = 128;

}  // namespace claimfs::backends
