#include <fcntl.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <vector>

#include "backends/host_path/accounting.h"
#include "backends/host_path/descriptor_cache.h"
#include "tests/unit/catch.h"
#include "tests/unit/memory_bound.h"

namespace claimfs::backends::host_path {

namespace {

using tests::BoundInMemory;
using tests::MemoryBound;

constexpr std::uint64_t kMi = std::uint64_t{1} << 20;
constexpr std::uint64_t kCapacity = 8 * kMi;

}  // namespace

TEST_CASE("when a recount replaces the bound", "[capacity]") {
  struct Row {
    const char* name;
    std::uint64_t counted;
    bool is_complete;
    std::function<void(Accounting&, HostInode&)> meanwhile;
    bool is_replaced;
  };
  const auto nothing = [](Accounting&, HostInode&) {};
  // A file of 2Mi is made and removed, again and again: a count may see any of them.
  const auto churn = [](Accounting& accounting, HostInode& inode) {
    Attributes attributes;
    attributes.mode = S_IFREG;
    attributes.blocks = 2 * kMi / 512;
    attributes.size = 2 * kMi;
    for (int i = 0; i < 10; ++i) {
      Reservation room = accounting.reserve(3 * kMi, 3 * kMi).value();
      accounting.made(inode, attributes, room, false);
      accounting.gone(2 * kMi);
    }
  };
  const auto move = [](Accounting& accounting, HostInode&) { accounting.moves(AT_FDCWD, "/"); };
  for (const Row& row : std::vector<Row>{
           {"less is there than was thought", kMi, true, nothing, true},
           {"more is there: the host's", 6 * kMi, true, nothing, true},
           {"something was left out: there is more", kMi, false, nothing, false},
           {"what changed may be in it twice", 6 * kMi, true, churn, false},
           {"a directory moved, and may be in it not at all", kMi, true, move, false},
       }) {
    INFO(row.name);
    BoundInMemory bound;
    bound.bound = 4 * kMi;
    DescriptorCache cache(16);
    Accounting accounting({.bytes = kCapacity, .bound = std::make_unique<MemoryBound>(bound)});
    REQUIRE(accounting.start());
    HostInode inode("key", cache);
    // Credit for what happens meanwhile.
    (void)accounting.reserve(3 * kMi, 3 * kMi);
    accounting.count_begins();
    row.meanwhile(accounting, inode);
    const std::uint64_t before = bound.now();
    accounting.count_ended(row.counted, row.is_complete);
    CHECK((bound.now() != before) == row.is_replaced);
    if (row.is_replaced) CHECK(bound.now() == row.counted + (before - 4 * kMi));
  }
}

}  // namespace claimfs::backends::host_path
