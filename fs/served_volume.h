#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "backends/backend.h"
#include "base/guarded.h"
#include "base/result.h"
#include "fs/gate.h"

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
};

// One volume in the tree: its claim as it is now, its backend, and whether the backend is in use.
// The tree's own directories are one of these too. Shared by the tree and by every node of it, so
// that a claim that has left the tree stays usable for those who have something of it open.
class ServedVolume {
 public:
  // `report_failure` is told in Kubernetes' words why the volume cannot be used; it must not block
  // for long.
  using ReportFailure = std::function<void(const ServedClaim&, const std::string& why)>;

  ServedVolume(ServedClaim claim, std::unique_ptr<backends::Backend> backend,
               ReportFailure report_failure);

  std::shared_ptr<const ServedClaim> claim() const;
  void update(ServedClaim claim);

  backends::Backend& backend() { return *backend_; }

  // Before every operation inside the claim: starts the backend at the first. EIO (reported) when
  // it cannot be started, EBUSY when the claim is Terminating and was not in use before. May block
  // while another thread starts it.
  Result<void> use();
  bool is_in_use() const { return is_ready_.load(std::memory_order_acquire); }

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
  int passthrough_refusal() const { return passthrough_refusal_.load(std::memory_order_relaxed); }

  // Tells the backend who remembers its inodes. Before use().
  void set_remembered(std::unique_ptr<backends::RememberedInodes> remembered);
  bool has_remembered() const { return remembered_ != nullptr; }

  std::atomic<std::uint32_t> open_handles{0};
  // As the backend last told: the tree's df is a sum, and does not wait for anybody.
  std::atomic<std::uint64_t> used_bytes{0};
  Gate gate;

 private:
  Result<void> start();

  std::unique_ptr<backends::RememberedInodes> remembered_;  // outlives the backend
  std::unique_ptr<backends::Backend> backend_;
  const bool is_tree_;
  ReportFailure report_failure_;
  Guarded<std::shared_ptr<const ServedClaim>> claim_;
  Guarded<backends::Attributes> root_attributes_;
  std::atomic<bool> is_read_only_{false};
  std::atomic<bool> is_shared_{false};
  std::atomic<bool> may_pass_through_{true};
  std::atomic<int> passthrough_refusal_{0};

  std::atomic<bool> is_ready_{false};
  std::mutex starting_;
  std::unique_ptr<backends::Inode> root_;                // set once, before is_ready_
  std::string last_failure_;                             // guarded by starting_
  std::chrono::steady_clock::time_point last_report_{};  // guarded by starting_
};

}  // namespace claimfs::fs
