#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "backends/shared_bound.h"

namespace claimfs::backends {

// How a volume is kept within its capacity (DESIGN.md 5).
enum class Enforcement {
  None,
  Accounting,  // by what its writers reserve; they write through the daemon
  Quota,       // by its filesystem
};

// What of that is wanted, and what it needs.
struct CapacityOptions {
  std::uint64_t bytes = 0;
  bool may_use_quota = false;
  // With which mounts the volume's bound is shared; none: no accounting.
  std::unique_ptr<SharedBound> bound{};
  // Somebody was refused for want of room. Not called by those who serve requests, and not often.
  std::function<void()> report_full{};
};

}  // namespace claimfs::backends
