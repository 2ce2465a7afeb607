#include "backends/host_path/descriptor_cache.h"

namespace claimfs::backends::host_path {

Result<DescriptorCache::Lease> DescriptorCache::lease(HostInode& inode,
                                                      const std::function<Result<Fd>()>& open) {
  if (const int pinned = inode.pinned(); pinned >= 0) return Lease(pinned);
  {
    std::scoped_lock lock(mutex_);
    if (inode.slot_ >= 0) {
      Slot& slot = slots_[static_cast<std::size_t>(inode.slot_)];
      ++slot.users;
      slot.was_used = true;
      return Lease(*this, inode.slot_, slot.descriptor);
    }
  }
  Fd opened = TRY(open());
  Fd evicted;
  std::scoped_lock lock(mutex_);
  if (inode.slot_ < 0) {
    const std::int32_t free = take_slot(evicted);
    if (free < 0) return Lease(std::move(opened));
    inode.slot_ = free;
    slots_[static_cast<std::size_t>(free)] = {opened.release(), 0, false, &inode};
  }
  Slot& slot = slots_[static_cast<std::size_t>(inode.slot_)];
  ++slot.users;
  slot.was_used = true;
  return Lease(*this, inode.slot_, slot.descriptor);
}

// A free slot, or one whose descriptor nobody used since the hand came by; -1 when all are in use.
std::int32_t DescriptorCache::take_slot(Fd& evicted) {
  for (std::size_t steps = 0; steps < 2 * slots_.size(); ++steps) {
    const std::size_t at = hand_;
    hand_ = (hand_ + 1) % slots_.size();
    Slot& slot = slots_[at];
    if (slot.users > 0) continue;
    if (slot.descriptor >= 0 && std::exchange(slot.was_used, false)) continue;
    if (slot.inode) slot.inode->slot_ = -1;
    evicted = Fd(slot.descriptor);
    return static_cast<std::int32_t>(at);
  }
  return -1;
}

void DescriptorCache::release(std::int32_t slot) {
  std::scoped_lock lock(mutex_);
  --slots_[static_cast<std::size_t>(slot)].users;
}

void DescriptorCache::forget(HostInode& inode) {
  Fd closed;
  std::scoped_lock lock(mutex_);
  if (inode.slot_ < 0) return;
  Slot& slot = slots_[static_cast<std::size_t>(inode.slot_)];
  closed = Fd(slot.descriptor);
  slot = Slot{};
  inode.slot_ = -1;
}

void DescriptorCache::shrink() {
  std::vector<Fd> closed;
  std::scoped_lock lock(mutex_);
  std::size_t wanted = slots_.size() / 2;
  for (Slot& slot : slots_) {
    if (wanted == 0) break;
    if (slot.descriptor < 0 || slot.users > 0) continue;
    closed.emplace_back(slot.descriptor);
    slot.inode->slot_ = -1;
    slot = Slot{};
    --wanted;
  }
}

}  // namespace claimfs::backends::host_path
