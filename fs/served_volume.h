#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "backends/backend.h"
#include "base/guarded.h"
#include "base/result.h"
#include "fs/absent_names.h"
#include "fs/backend_start.h"
#include "fs/gate.h"
#include "fs/listed_names.h"

namespace claimfs::fs {

// What the tree shows and enforces of one bound claim, in the words that it shows them in.
struct ServedClaim {
  std::string name_space;
  std::string name;
  std::string uid;
  std::string volume_name;
  std::string phase;
  std::string access_modes;  // "RWO,ROX"
  std::string storage_class;
  std::string reclaim_policy;
  std::string capacity;  // as Kubernetes prints it
  std::uint64_t capacity_bytes = 0;
  bool is_block = false;
  bool is_read_only = false;
  bool is_shared = false;  // others may write to it at the same time: ReadWriteMany
  bool is_terminating = false;
  // Which uses exclude one another: ReadWriteOncePod; and ReadWriteOnce with ReadOnlyMany, where a
  // mount reads until its first change.
  bool is_for_one_consumer = false;
  bool is_for_one_writer = false;
  std::set<std::string> read_only_pods;  // uids
};

// What an operation does to a claim: looks at what is there, reads it, or changes it. Only looking
// never makes anyone the one consumer.
enum class Access { Look, Read, Change };

// One volume in the tree: its claim as it is now, its backend, and whether the backend is in use.
// The tree's own directories are one of these too. Shared by the tree and by every node of it, so
// that a claim that has left the tree stays usable for those who have something of it open.
class ServedVolume {
 public:
  // `report_failure` is told in Kubernetes' words why the volume cannot be used; it must not block
  // for long.
  using ReportFailure = std::function<void(const ServedClaim&, const std::string& why)>;

  // Asks that the claim may be used, on behalf of `consumer`: a pod's uid, or empty for those that
  // are in no pod; null where it does not matter who. EBUSY when others have it. May block for a
  // second.
  using Attach =
      std::function<Result<void>(const ServedClaim&, bool writes, const std::string* consumer)>;

  ServedVolume(ServedClaim claim, std::unique_ptr<backends::Backend> backend,
               ReportFailure report_failure, Attach attach = nullptr);

  std::shared_ptr<const ServedClaim> claim() const;
  void update(ServedClaim claim);

  backends::Backend& backend() { return *backend_; }

  // Before every operation inside the claim, for whoever asks for it: attaches the claim and starts
  // the backend at the first. EROFS when it would be a change by somebody who may only read; EBUSY
  // when others have the claim, or it is Terminating and was not in use before; EIO (reported) when
  // the backend cannot be started: all who wait for that are told so at once. May block for a
  // second, and while the backend starts: EINTR when the caller is interrupted meanwhile.
  Result<void> use(Access access = Access::Read, const backends::Caller& caller = {});
  bool is_in_use() const { return is_ready_.load(std::memory_order_acquire); }

  // Shuts it when the kernel holds nothing of it: gives the backend up, and keeps everybody out,
  // `for_good` or until let_in(). False when it is in use after all.
  bool end_use(bool for_good);
  void let_in();
  // The mount has ended: stops the backend, whatever is open, so that all that it waits for fails.
  void abandon();
  // Whom a ReadWriteOncePod claim is attached for, a pod's uid; empty when it is for none.
  std::string pod() const;
  // That consumer has ended: the next one asks anew.
  void end_consumer();
  // What a Terminating claim's root was held by when that was looked at are its users.
  void allow_first_use() { may_begin_.store(true); }
  // Somebody took the attachment away: the next use asks anew, for all that it needs. Does not
  // wait for anybody: who is just being let in is not.
  void lose();

  // Nodes and handles that the kernel has of it. A root is counted through rooting(), so that
  // end_use() and a look-up of the root exclude each other.
  std::atomic<std::uint64_t> nodes{0};
  std::mutex& rooting() { return rooting_; }

  // Names that the kernel knows to be absent: they hold their directory (FUSE.md F2).
  AbsentNames absent_names;
  // Names of a shared volume that the kernel believes by a listing.
  ListedNames listed_names;
  std::atomic<bool> is_being_trimmed{false};  // there is somebody who drops those that are too many
  // Only after use() has succeeded.
  backends::Inode& root() { return *root_; }

  // The root as last seen: a look-up of the claim never waits for its backend, which may be a dead
  // server.
  backends::Attributes root_attributes() const;
  void saw_root(const backends::Attributes& attributes);
  // Looks once, without using the volume. Blocks as the backend does.
  void look_at_root();

  // False for the tree's own directories.
  bool has_backend_of_its_own() const { return !is_tree_; }

  bool is_read_only() const { return is_read_only_.load(std::memory_order_relaxed); }
  bool is_shared() const { return is_shared_.load(std::memory_order_relaxed); }

  // Passthrough is tried until the kernel refuses it for this volume's filesystem.
  bool may_pass_through() const { return may_pass_through_.load(std::memory_order_relaxed); }
  void refuse_passthrough(int reason);
  // Whether others know that the kernel does I/O here that goes on when we are dead. `note` tells
  // them, once for each time that it is attached; may block.
  bool may_be_passing(const std::function<Result<void>()>& note);
  int passthrough_refusal() const { return passthrough_refusal_.load(std::memory_order_relaxed); }

  // Tells the backend who remembers its inodes. Before use().
  void set_remembered(std::unique_ptr<backends::RememberedInodes> remembered);
  bool has_remembered() const { return remembered_ != nullptr; }

  std::atomic<std::uint32_t> open_handles{0};
  // As the backend last told: the tree's df is a sum, and does not wait for anybody.
  std::atomic<std::uint64_t> used_bytes{0};
  Gate gate;

 private:
  Result<void> begin_use(bool writes, const std::string* consumer, const backends::Caller& caller);
  Result<void> wait_for_start(std::unique_lock<std::mutex>& lock, const backends::Caller& caller);
  Result<void> begin_start();
  void start(BackendStart& start);
  Result<std::unique_ptr<backends::Inode>> start_backend();
  void report(const std::string& why);
  bool may_go_on(bool writes, const std::string* consumer) const;
  void forget_attachment();

  std::unique_ptr<backends::RememberedInodes> remembered_;  // outlives the backend
  std::unique_ptr<backends::Backend> backend_;
  const bool is_tree_;
  ReportFailure report_failure_;
  Attach attach_;
  Guarded<std::shared_ptr<const ServedClaim>> claim_;
  Guarded<backends::Attributes> root_attributes_;
  std::atomic<bool> is_read_only_{false};
  std::atomic<bool> is_shared_{false};
  std::atomic<bool> may_pass_through_{true};
  std::atomic<bool> has_passed_through_{false};
  std::atomic<int> passthrough_refusal_{0};

  std::atomic<bool> is_ready_{false};
  std::atomic<bool> may_write_{false};
  std::atomic<bool> may_begin_{false};  // although it is Terminating
  std::atomic<std::uint64_t> losses_{0};
  std::atomic<bool> asks_callers_{false};
  Guarded<std::string> consumer_;  // whom it is attached for; "-": nobody yet
  std::mutex noting_;              // that files are passed through
  std::mutex rooting_;
  std::mutex starting_;
  bool is_started_ = false;              // guarded by starting_, as what follows
  std::shared_ptr<BackendStart> start_;  // null: nobody starts the backend
  bool is_closed_ = false;               // for good
  bool is_ending_ = false;               // until let_in()
  std::condition_variable has_ended_;
  std::unique_ptr<backends::Inode> root_;                // set before is_ready_
  std::string last_failure_;                             // guarded by starting_
  std::chrono::steady_clock::time_point last_report_{};  // guarded by starting_
  std::jthread starter_;                                 // the last; begun by who sets start_
};

}  // namespace claimfs::fs
