#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "base/fd.h"

namespace claimfs::backends::host_path {

class DescriptorCache;

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

 private:
  friend class DescriptorCache;

  const std::string key_;
  DescriptorCache& cache_;
  std::atomic<int> pinned_{-1};
  std::int32_t slot_ = -1;  // guarded by the cache
};

}  // namespace claimfs::backends::host_path
