#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "backends/host_path/inode.h"
#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends::host_path {

// O_PATH descriptors of inodes, a bounded number of them, the least used given up first (CLOCK). A
// descriptor in use is never closed. Thread-safe; opens and closes without its lock.
class DescriptorCache {
 public:
  explicit DescriptorCache(std::size_t capacity) : slots_(capacity) {}
  DescriptorCache(const DescriptorCache&) = delete;

  // A descriptor for as long as this lives.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : cache_(std::exchange(other.cache_, nullptr)),
          slot_(other.slot_),
          own_(std::move(other.own_)),
          descriptor_(other.descriptor_) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (cache_) cache_->release(slot_);
    }
    int get() const { return descriptor_; }

   private:
    friend class DescriptorCache;
    explicit Lease(int pinned) : descriptor_(pinned) {}
    explicit Lease(Fd own) : own_(std::move(own)), descriptor_(own_.get()) {}
    Lease(DescriptorCache& cache, std::int32_t slot, int descriptor)
        : cache_(&cache), slot_(slot), descriptor_(descriptor) {}

    DescriptorCache* cache_ = nullptr;
    std::int32_t slot_ = -1;
    Fd own_;
    int descriptor_ = -1;
  };

  // The inode's descriptor, opened by `open` when there is none.
  Result<Lease> lease(HostInode& inode, const std::function<Result<Fd>()>& open);

  void forget(HostInode& inode);

  // Gives up half of what is not in use: somebody needs descriptors more.
  void shrink();

 private:
  struct Slot {
    int descriptor = -1;
    std::uint32_t users = 0;
    bool was_used = false;
    HostInode* inode = nullptr;
  };

  void release(std::int32_t slot);
  std::int32_t take_slot(Fd& evicted);

  std::mutex mutex_;
  std::vector<Slot> slots_;
  std::size_t hand_ = 0;
};

}  // namespace claimfs::backends::host_path
