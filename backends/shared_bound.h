#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"

namespace claimfs::backends {

// How much of a volume is promised, in bytes: what its files occupy and what its mounts may still
// write without asking. All mounts of the volume share it, and it is kept before it is used: after
// any crash it is too high, never too low. Blocks as the store does. Used by one thread at a time.
class SharedBound {
 public:
  virtual ~SharedBound() = default;

  // This mount is one of those that write, from now on. The bound, or nothing where nobody has
  // counted the volume yet.
  virtual Result<std::optional<std::uint64_t>> join() = 0;
  // What was joined with; changed by whoever came first, if somebody has counted meanwhile.
  virtual Result<std::uint64_t> establish(std::uint64_t counted) = 0;

  // Makes the bound what `change` says of it, and returns that. `change` may be asked several
  // times, the last time decides.
  using Change = std::function<std::uint64_t(std::uint64_t bound)>;
  virtual Result<std::uint64_t> change(const Change& change) = 0;

  // A recount replaces the bound only when nobody else can have written meanwhile: EBUSY when
  // another mount writes, or has written since begin_recount().
  virtual Result<void> begin_recount() = 0;
  virtual Result<void> end_recount(std::uint64_t bound) = 0;

  // This mount writes no more; takes `unused` off the bound.
  virtual void leave(std::uint64_t unused) = 0;
};

}  // namespace claimfs::backends
