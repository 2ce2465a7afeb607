#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "base/fd.h"

namespace claimfs::backends::host_path {

class DescriptorCache;
class HostInode;

// What accounting knows of a file that was changed through us. Bytes.
struct Charge {
  std::mutex lock;  // held while the file is changed: what it grows is somebody's
  // Guarded by it:
  std::int64_t bytes = -1;  // occupied, as last seen; -1: not looked at yet
  std::uint64_t grown = 0;  // since it was last known what its metadata take
  std::uint64_t set_aside =
      0;  // for metadata that the filesystem will only make when it writes back
  bool has_holes = false;
  bool is_preallocated = false;

  std::atomic<bool> may_be_mapped{false};  // was opened for reading and writing
  // It has no name any more: no count finds it, and its space comes back when it is forgotten.
  std::atomic<bool> is_nameless{false};
  std::atomic<std::int64_t> nameless_bytes{0};  // what of it is in the sum of all those
};

// Who has to hear when an inode with a charge is forgotten.
class ChargeKeeper {
 public:
  virtual ~ChargeKeeper() = default;
  virtual void forgotten(HostInode& inode, Charge& charge) = 0;
};

// A file by its handle. The key is what finds it again: the number of its mount, and the handle's
// type and bytes (14 bytes on ext4, which a std::string keeps in place).
class HostInode final : public Inode {
 public:
  HostInode(std::string key, DescriptorCache& cache) : key_(std::move(key)), cache_(cache) {}
  ~HostInode() override;

  std::string_view key() const override { return key_; }

  // A descriptor that stays as long as the inode: the file has no name any more, or its filesystem
  // no handles. The first one is kept.
  void pin(Fd descriptor) {
    int none = -1;
    if (pinned_.compare_exchange_strong(none, descriptor.get())) descriptor.release();
  }
  int pinned() const { return pinned_.load(std::memory_order_acquire); }

  // Made when it is first asked for; `keeper` outlives the inode.
  Charge& charge(ChargeKeeper& keeper);

 private:
  friend class DescriptorCache;

  const std::string key_;
  DescriptorCache& cache_;
  std::atomic<int> pinned_{-1};
  std::int32_t slot_ = -1;  // guarded by the cache

  struct KeptCharge {
    explicit KeptCharge(ChargeKeeper& whose) : keeper(whose) {}
    ChargeKeeper& keeper;
    Charge charge;
  };
  std::atomic<KeptCharge*> charge_{nullptr};  // owned
};

}  // namespace claimfs::backends::host_path
