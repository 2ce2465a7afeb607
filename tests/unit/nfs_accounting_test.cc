#include "backends/nfs/accounting.h"

#include <future>

#include "tests/unit/memory_bound.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::backends::nfs {

namespace {

using tests::BoundInMemory;
using tests::comes_true;
using tests::MemoryBound;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

int changes_of(BoundInMemory& bound) {
  const std::scoped_lock held(bound.lock);
  return bound.changes;
}

std::unique_ptr<Accounting> account_of(BoundInMemory& bound, std::uint64_t capacity) {
  bound.bound = 0;
  auto made = std::make_unique<Accounting>(
      CapacityOptions{.bytes = capacity, .bound = std::make_unique<MemoryBound>(bound)});
  REQUIRE(made->start());
  return made;
}

}  // namespace

TEST_CASE("more room is asked for before it runs out", "[nfs][capacity]") {
  BoundInMemory bound;
  const auto account = account_of(bound, 10'240 * kMiB);
  REQUIRE(account->reserve(kBlockBytes, kBlockBytes));
  REQUIRE(changes_of(bound) == 1);
  {
    const Reservation some = account->room_at_hand(10 * kMiB);
    CHECK(some.bytes() == 10 * kMiB);
  }
  const Reservation most = account->room_at_hand(60 * kMiB);
  CHECK(most.bytes() == 60 * kMiB);
  CHECK(comes_true([&] { return changes_of(bound) == 2; }));
  CHECK(comes_true([&] { return account->room_at_hand(60 * kMiB).bytes() == 60 * kMiB; }));
}

TEST_CASE("room is not asked for ahead where little is left for others", "[nfs][capacity]") {
  BoundInMemory bound;
  const auto account = account_of(bound, 256 * kMiB);
  REQUIRE(account->reserve(kBlockBytes, kBlockBytes));
  const Reservation all = account->room_at_hand(256 * kMiB);
  CHECK(all.bytes() == 16 * kMiB);
  // Served in turn: what was asked for before has been done by then.
  std::promise<void> served;
  account->when_there_is_room(0, 0, [&](const Result<Reservation>&) { served.set_value(); });
  served.get_future().wait();
  CHECK(changes_of(bound) == 1);
}

}  // namespace claimfs::backends::nfs
