#include "backends/nfs/file_charge.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/memory_bound.h"

namespace claimfs::backends::nfs {

namespace {

using tests::BoundInMemory;
using tests::MemoryBound;

constexpr std::uint64_t kBlock = kBlockBytes;
constexpr std::uint64_t kCapacity = 1024 * kBlock;

// An account with all of its capacity at hand.
struct Account {
  Account() {
    bound.bound = 0;
    accounting = std::make_shared<Accounting>(
        CapacityOptions{.bytes = kCapacity, .bound = std::make_unique<MemoryBound>(bound)});
    REQUIRE(accounting->start());
    REQUIRE(accounting->reserve(kCapacity, kCapacity));
  }
  std::uint64_t used() const { return accounting->used_bytes().value(); }
  // Pays for as much of it as there is room for.
  std::uint64_t pay(FileCharge& charge, ByteRange range) const {
    Reservation room = accounting->room_at_hand(charge.price(range));
    return charge.pay(range, room, 0);
  }

  BoundInMemory bound;
  std::shared_ptr<Accounting> accounting;
};

}  // namespace

TEST_CASE("what a write to a file of a server costs", "[nfs][capacity]") {
  struct Row {
    const char* name;
    FileCharge::Word file;
    ByteRange write;
    std::uint64_t blocks;
  };
  const Account account;
  for (const Row& row : std::vector<Row>{
           {"the first byte of an empty file", {.used = 0, .size = 0}, {0, 1}, 1},
           {"over the border of a block", {.used = 0, .size = 0}, {kBlock - 1, kBlock + 1}, 2},
           {"behind the end, in its last block", {.used = kBlock, .size = 10}, {10, 20}, 0},
           {"in place", {.used = 8 * kBlock, .size = 8 * kBlock}, {0, 8 * kBlock}, 0},
           {"half in place", {.used = 8 * kBlock, .size = 8 * kBlock}, {0, 16 * kBlock}, 8},
           {"in a file with holes", {.used = 4 * kBlock, .size = 8 * kBlock}, {0, 2 * kBlock}, 2},
           {"far behind the end", {.used = 0, .size = 0}, {1 << 30, (1 << 30) + 1}, 1},
       }) {
    INFO(row.name);
    FileCharge charge(account.accounting);
    charge.told(row.file);
    const std::uint64_t bytes = row.blocks * kBlock;
    CHECK(charge.price(row.write) == bytes + bytes / kMetadataShare);
  }
}

TEST_CASE("what is paid for is not paid for twice, and what is over comes back",
          "[nfs][capacity]") {
  const Account account;
  FileCharge charge(account.accounting);
  charge.told({.used = 0, .size = 0, .is_fresh = true});
  const ByteRange range{0, 64 * kBlock};
  CHECK(account.pay(charge, range) == range.length());
  CHECK(charge.price(range) == 0);
  CHECK(charge.set_aside() > 0);
  charge.taken(range, true);
  CHECK(charge.price(range) == 0);  // it has its blocks
  charge.told({.used = 64 * kBlock, .size = 64 * kBlock});
  charge.all_sent();
  CHECK(account.used() == 64 * kBlock);
  charge.told({.used = 65 * kBlock, .size = 64 * kBlock, .is_fresh = true});  // with metadata
  charge.all_committed();
  CHECK(charge.set_aside() == 0);
  CHECK(account.used() == 65 * kBlock);
  charge.truncated(kBlock, 2 * kBlock);
  CHECK(account.used() == 2 * kBlock);
  CHECK(charge.price(range) > 0);
  charge.gone(2 * kBlock, account.accounting->now());
  CHECK(account.used() == 0);
}

TEST_CASE("a server that says later what a file occupies is not believed at once",
          "[nfs][capacity]") {
  const Account account;
  FileCharge charge(account.accounting);
  charge.told({.used = 0, .size = 0, .is_fresh = true});
  const ByteRange range{0, 64 * kBlock};
  CHECK(account.pay(charge, range) == range.length());
  charge.taken(range, true);
  charge.told({.used = 0, .size = range.end});
  charge.all_sent();
  charge.told({.used = 0, .size = range.end, .is_fresh = true});
  CHECK(charge.set_aside() >= range.length());
  // It has compressed it.
  charge.told({.used = 8 * kBlock, .size = range.end, .is_fresh = true, .is_settled = true});
  charge.all_committed();
  CHECK(charge.set_aside() == 0);
  CHECK(account.used() == 8 * kBlock);
}

TEST_CASE("a write is as long as there is room for it", "[nfs][capacity]") {
  const Account account;
  FileCharge charge(account.accounting);
  charge.told({.used = 4 * kBlock, .size = 4 * kBlock, .is_fresh = true});
  Reservation room = account.accounting->room_at_hand(5 * kBlock);
  // Four blocks are there, four are paid for, and one has to be over.
  CHECK(charge.pay({100, 20 * kBlock}, room, kBlock - kBlock / 8) == 8 * kBlock - 100);
  CHECK(charge.pay({8 * kBlock, 9 * kBlock}, room, kBlock) == 0);
  CHECK(charge.pay({0, 8 * kBlock}, room, kBlock) == 8 * kBlock);
}

TEST_CASE("what was counted meanwhile is not given back once more", "[nfs][capacity]") {
  Account account;
  constexpr std::uint64_t kOthers = 128 * kBlock;
  account.accounting->grew(kOthers, 0);
  FileCharge charge(account.accounting);
  const ByteRange range{0, 64 * kBlock};
  charge.told({.used = 0, .size = 0, .is_fresh = true});
  CHECK(account.pay(charge, range) == range.length());
  charge.taken(range, true);
  charge.told({.used = 64 * kBlock, .size = 64 * kBlock});
  charge.all_sent();
  const auto known = account.accounting->now();
  // It is removed, a count does not see it, and only then the answer comes.
  account.accounting->count_begins();
  account.accounting->count_ended(kOthers, true);
  CHECK(account.used() == kOthers);
  CHECK(charge.needs_word());
  charge.gone(64 * kBlock, known);
  account.accounting->shrank(64 * kBlock, known);
  CHECK(account.used() == kOthers);
  const auto since = account.accounting->now();
  account.accounting->grew(kBlock, 0);
  account.accounting->shrank(kBlock, since);
  CHECK(account.used() == kOthers);
}

TEST_CASE("a count is void while a name is being moved", "[nfs][capacity]") {
  Account account;
  account.accounting->grew(8 * kBlock, 0);
  const auto count_to_zero = [&] {
    account.accounting->count_begins();
    account.accounting->count_ended(0, true);
    return account.used() == 0;
  };
  {
    const Accounting::Moving moving(account.accounting);
    CHECK_FALSE(count_to_zero());
  }
  account.accounting->count_begins();
  { const Accounting::Moving moving(account.accounting); }
  account.accounting->count_ended(0, true);
  CHECK(account.used() == 8 * kBlock);
  {
    std::optional<Accounting::Moving> moving(account.accounting);
    account.accounting->count_begins();
    moving.reset();
    account.accounting->count_ended(0, true);
  }
  CHECK(account.used() == 8 * kBlock);
  CHECK(count_to_zero());
}

// A server's file, whose WRITEs are done and answered in any order.
TEST_CASE("a file never occupies more than was paid for, and all of it is found out",
          "[nfs][capacity]") {
  const unsigned seed = Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    Account account;
    FileCharge charge(account.accounting);
    charge.told({.used = 0, .size = 0, .is_fresh = true});
    std::set<std::uint64_t> blocks;  // on the server
    std::uint64_t size = 0;
    struct Sent {
      ByteRange range;
      bool is_done = false;
      FileCharge::Word word{};
    };
    std::vector<Sent> sent;
    const auto used = [&] { return blocks.size() * kBlock; };
    const auto take = [&](ByteRange range) -> FileCharge::Word {
      for (auto at = range.begin / kBlock; at * kBlock < range.end; ++at) blocks.insert(at);
      size = std::max(size, range.end);
      return {.used = used(), .size = size};
    };
    const auto overlaps_others = [&](const Sent& one) {
      return std::ranges::any_of(sent, [&](const Sent& other) {
        return other.range.begin / kBlock < in_blocks(one.range.end) / kBlock &&
               one.range.begin / kBlock < in_blocks(other.range.end) / kBlock;
      });
    };
    for (int step = 0; step < 300; ++step) {
      const unsigned what = random() % 10;
      if (what < 4) {
        const std::uint64_t begin = random() % 2 == 0 ? size : random() % (400 * kBlock);
        const ByteRange range{begin, begin + 1 + random() % (20 * kBlock)};
        const std::uint64_t fits = account.pay(charge, range);
        if (fits > 0) sent.push_back({{range.begin, range.begin + fits}});
      } else if (what < 9 && !sent.empty()) {
        Sent& one = sent[random() % sent.size()];
        if (!one.is_done) {
          one.word = take(one.range);
          one.is_done = true;
        } else {
          const Sent answered = one;
          sent.erase(sent.begin() + (&one - sent.data()));
          charge.taken(answered.range, !overlaps_others(answered));
          charge.told(answered.word);
          if (sent.empty()) charge.all_sent();
        }
      } else if (what == 9 && sent.empty() && random() % 4 == 0) {
        size = random() % (size + 1);
        blocks.erase(blocks.lower_bound(in_blocks(size) / kBlock), blocks.end());
        charge.truncated(size, used());
      }
      // What is on the server is in the bound, whatever is not known of it yet.
      REQUIRE(used() <= account.used() + charge.set_aside());
      REQUIRE(account.bound.now() == kCapacity);
    }
    for (Sent& one : sent) {
      if (!one.is_done) one.word = take(one.range);
      charge.taken(one.range, true);
      charge.told(one.word);
    }
    charge.all_sent();
    charge.told({.used = used(), .size = size, .is_fresh = true, .is_settled = true});
    charge.all_committed();
    REQUIRE(charge.set_aside() == 0);
    REQUIRE(account.used() == used());
  }
}

}  // namespace claimfs::backends::nfs
