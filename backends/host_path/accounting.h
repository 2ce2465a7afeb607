#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "backends/capacity.h"
#include "backends/capacity_ledger.h"
#include "backends/host_path/inode.h"
#include "backends/host_path/usage.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"

namespace claimfs::backends::host_path {

class Accounting;

// What an operation may let files grow by. What is left of it goes back in the end. Empty where
// nothing is accounted.
class Reservation {
 public:
  Reservation() = default;
  explicit Reservation(CapacityLedger& ledger) : ledger_(&ledger) {}
  Reservation(Reservation&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&&) = delete;
  ~Reservation() {
    if (ledger_) ledger_->give_back(bytes_);
  }
  std::uint64_t bytes() const { return bytes_; }
  // Takes more of what is there, until it has so much.
  void fill(std::uint64_t wanted) {
    if (bytes_ < wanted) bytes_ += ledger_->take(wanted - bytes_);
  }
  // Spends up to `most`; says how much.
  std::uint64_t spend(std::uint64_t most) {
    const std::uint64_t spent = std::min(bytes_, most);
    bytes_ -= spent;
    return spent;
  }

 private:
  CapacityLedger* ledger_ = nullptr;
  std::uint64_t bytes_ = 0;
};

// One change of one file: its lock, and at the end a look at what the file has become. Nothing
// where `accounting` is null. `descriptor` lives as long, O_PATH is enough.
class Change {
 public:
  Change(Accounting* accounting, HostInode& inode, int descriptor, Reservation& room);
  Change(const Change&) = delete;
  ~Change();

  off_t size() const { return found_.st_size; }
  // The file's blocks are all made: nothing has to be set aside for them any more. Waits for the
  // disk. False when there was nothing.
  bool settle(int writable);
  void preallocates();

 private:
  void look(Reservation* payer);

  Accounting* const accounting_;
  HostInode& inode_;
  const int descriptor_;
  Reservation& room_;
  Charge* charge_ = nullptr;
  std::shared_lock<std::shared_mutex> changing_;
  std::unique_lock<std::mutex> lock_;
  struct stat found_ {};
};

// Keeps a volume within its capacity by what its writers reserve before they write (DESIGN.md 5).
// Counts what du counts, and files without a name for as long as they are open. Thread-safe but for
// start(), end() and leave().
class Accounting final : public ChargeKeeper, public CountWatcher {
 public:
  explicit Accounting(CapacityOptions options);

  // In this order: start(), operations, end() (who waits for the first count waits no more), the
  // count's end, leave().
  Result<void> start();
  void set_count(UsageCount& count);
  void end();
  void leave();

  void set_capacity(std::uint64_t bytes) { capacity_.store(bytes); }
  // What is occupied, as all mounts know it.
  std::uint64_t used_bytes() const;

  // Room for a change: as much of `wanted` as there is; of the shared bound nothing, if that does
  // not make `least`. May wait for the first count, and a moment for others to give back.
  Result<Reservation> reserve(std::uint64_t wanted, std::uint64_t least);
  // ENOSPC, told to whom it may concern.
  tl::unexpected<Error> refuse_for_room();

  // The most that writing or allocating `bytes` takes.
  std::uint64_t worst_case(std::uint64_t bytes) const;
  // How much of a write there is room for: what has its blocks already, and what these pay.
  std::uint64_t fitting(int descriptor, off_t offset, std::uint64_t length,
                        const Reservation& room) const;

  // A file was just made.
  void made(HostInode& inode, const Attributes& attributes, Reservation& room, bool is_nameless);
  // It was opened for reading and writing: it may be stored to without a word (FUSE.md F9).
  void may_be_mapped(HostInode& inode, int descriptor);
  // Its last name has gone, and somebody may have it open.
  void lost_name(HostInode& inode);
  // It gets a name, or another one; said before that.
  void gets_name(HostInode& inode, int descriptor);
  // What this name says moves; said before. A count that is under way may miss it.
  void moves(int directory, const char* name);
  // It is gone, and nobody had it open.
  void gone(std::uint64_t bytes);

  void forgotten(HostInode& inode, Charge& charge) override;
  void count_begins() override;
  void count_ended(std::uint64_t bytes, bool is_complete) override;
  std::optional<std::chrono::milliseconds> look_after() override;

 private:
  friend class Change;
  using Clock = std::chrono::steady_clock;

  Result<void> ask(Reservation& room, std::uint64_t wanted, std::uint64_t least);
  // Takes a file's new state in. Under the charge's lock.
  void take_in(Charge& charge, const struct stat& found, Reservation* room);
  void set_aside_for(Charge& charge, Reservation* room);
  // Looks after a file that may be mapped and has room to grow inside.
  void watch(HostInode& inode, int descriptor);
  void look_at_mapped();
  std::unique_lock<std::shared_mutex> moment_without_changes();
  void adjust_bound();
  // Has the counting thread come soon, if it would not anyway.
  void call_for_look();
  bool report();

  std::atomic<std::uint64_t> capacity_;
  const std::function<void()> report_full_;
  const std::unique_ptr<SharedBound> shared_;

  CapacityLedger ledger_;
  std::atomic<std::uint64_t> bound_{0};  // as last seen
  std::atomic<std::int64_t> nameless_bytes_{0};
  std::atomic<std::uint64_t> directory_moves_{0};
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
  bool is_counted_ = false;
  std::optional<Error> count_failure_;  // of the first count
  bool is_ending_ = false;

  // The counting thread's own:
  bool is_alone_ = false;
  CapacityLedger::State at_begin_;
  std::uint64_t moves_at_begin_ = 0;
  std::uint64_t grown_at_look_ = 0;
  std::optional<Clock::time_point> reported_at_;

  // Held by each change until it is in the ledger, and by a recount when it takes its sum: what is
  // gone from the disk and is no credit yet would be promised to nobody, and then be spent.
  std::shared_mutex changing_;

  // Descriptors of their own, O_PATH. The lock is held across fstat of these: the inode must not go
  // meanwhile.
  std::mutex mapped_lock_;
  std::map<HostInode*, Fd> mapped_;
};

}  // namespace claimfs::backends::host_path
