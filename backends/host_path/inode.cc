#include "backends/host_path/inode.h"

#include <unistd.h>

#include <memory>

#include "backends/host_path/descriptor_cache.h"

namespace claimfs::backends::host_path {

HostInode::~HostInode() {
  const std::unique_ptr<KeptCharge> charge(charge_.load());
  if (charge) charge->keeper.forgotten(*this, charge->charge);
  if (const int pinned = pinned_.load(); pinned >= 0) ::close(pinned);
  cache_.forget(*this);
}

Charge& HostInode::charge(ChargeKeeper& keeper) {
  if (KeptCharge* known = charge_.load(std::memory_order_acquire)) return known->charge;
  auto made = std::make_unique<KeptCharge>(keeper);
  KeptCharge* other = nullptr;
  if (!charge_.compare_exchange_strong(other, made.get())) return other->charge;
  return made.release()->charge;
}

}  // namespace claimfs::backends::host_path
