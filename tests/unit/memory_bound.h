#pragma once

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <optional>

#include "backends/shared_bound.h"

namespace claimfs::tests {

// The bound of a volume in memory, as several mounts see it.
struct BoundInMemory {
  // As of now: a mount's count changes it beside whoever looks.
  std::uint64_t now() {
    const std::scoped_lock held(lock);
    return bound.value();
  }

  std::mutex lock;
  std::optional<std::uint64_t> bound;
  int mounts = 0;
  int changes = 0;
};

class MemoryBound final : public backends::SharedBound {
 public:
  explicit MemoryBound(BoundInMemory& shared) : shared_(shared) {}
  Result<std::optional<std::uint64_t>> join() override {
    std::scoped_lock lock(shared_.lock);
    ++shared_.mounts;
    return shared_.bound;
  }
  Result<std::uint64_t> establish(std::uint64_t counted) override {
    std::scoped_lock lock(shared_.lock);
    if (!shared_.bound) shared_.bound = counted;
    return *shared_.bound;
  }
  Result<std::uint64_t> change(const Change& change) override {
    std::scoped_lock lock(shared_.lock);
    ++shared_.changes;
    shared_.bound = change(shared_.bound.value());
    return *shared_.bound;
  }
  Result<void> begin_recount() override {
    std::scoped_lock lock(shared_.lock);
    if (shared_.mounts != 1) return failure(EBUSY);
    return {};
  }
  Result<void> end_recount(std::uint64_t bound) override {
    std::scoped_lock lock(shared_.lock);
    shared_.bound = bound;
    return {};
  }
  void leave(std::uint64_t unused) override {
    std::scoped_lock lock(shared_.lock);
    --shared_.mounts;
    *shared_.bound -= unused;
  }

 private:
  BoundInMemory& shared_;
};

}  // namespace claimfs::tests
