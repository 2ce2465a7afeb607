#include "backends/capacity_ledger.h"

#include <mutex>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::backends {

namespace {

constexpr std::uint64_t kMi = std::uint64_t{1} << 20;

}  // namespace

TEST_CASE("how much is granted", "[capacity]") {
  struct Row {
    const char* name;
    std::uint64_t free;
    std::uint64_t need;
    std::uint64_t granted;
  };
  for (const Row& row : std::vector<Row>{
           {.name = "a sixteenth, for what is needed often",
     .free = 160 * kMi,
     .need = 1,
     .granted = 10 * kMi},
           {.name = "no more than 64Mi", .free = 16'000 * kMi, .need = 1, .granted = 64 * kMi},
           {.name = "what is needed, if that is more",
           .free = 160 * kMi,
           .need = 20 * kMi,
           .granted = 20 * kMi},
           {.name = "never more than is free", .free = 5, .need = 20, .granted = 5},
           {.name = "nothing of nothing", .free = 0, .need = 20, .granted = 0},
           {.name = "an idle mount's share", .free = 32, .need = 0, .granted = 2},
       }) {
    INFO(row.name);
    CHECK(chunk_for(row.free, row.need) == row.granted);
  }
}

TEST_CASE("credit is taken, spent and given back", "[capacity]") {
  CapacityLedger ledger;
  CHECK(ledger.take(1) == 0);
  ledger.grant(100);
  CHECK(ledger.take(60) == 60);
  CHECK(ledger.take(60) == 40);  // what there is
  CHECK(ledger.credit() == 0);
  CHECK(ledger.taken() == 100);
  ledger.grew(30, {.taken = 30});
  CHECK(ledger.state().unspent == 70);
  ledger.give_back(70);
  CHECK(ledger.taken() == 0);
  CHECK(ledger.credit() == 70);
  ledger.shrank(30);
  CHECK(ledger.credit() == 100);
  CHECK(ledger.withdraw(1000) == 100);
  CHECK(ledger.state().unspent == 0);
}

TEST_CASE("what nobody reserved is a debt, and a grant pays it first", "[capacity]") {
  CapacityLedger ledger;
  ledger.grant(10);
  ledger.grew(25, {});
  CHECK(ledger.debt() == 15);
  CHECK(ledger.credit() == 0);
  CHECK(ledger.take(1) == 0);
  ledger.grant(20);
  CHECK(ledger.debt() == 0);
  CHECK(ledger.take(100) == 5);
}

TEST_CASE("what is set aside is not spent, and pays for what the filesystem makes later",
          "[capacity]") {
  CapacityLedger ledger;
  ledger.grant(100);
  CHECK(ledger.take(50) == 50);
  ledger.set_aside(8);
  ledger.give_back(42);
  CHECK(ledger.credit() == 92);
  CHECK(ledger.taken() == 0);
  CHECK(ledger.state().unspent == 100);
  ledger.grew(4, {.set_aside = 4});
  CHECK(ledger.credit() == 92);
  ledger.take_back(2);
  ledger.lose(2);
  CHECK(ledger.credit() == 94);
  CHECK(ledger.state().unspent == 94);
}

// Many writers on one ledger, each with files of its own: what is occupied never passes what was
// granted, and in the end every byte is somewhere.
TEST_CASE("writers never occupy more than was granted", "[capacity]") {
  constexpr std::uint64_t kCapacity = 1'000'000;
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  CapacityLedger ledger;
  std::atomic<std::uint64_t> bound{0};
  std::atomic<std::int64_t> occupied{0};
  std::atomic<bool> is_passed{false};
  const auto writer = [&](unsigned number) {
    std::mt19937 random(seed + number);
    std::uint64_t mine = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t want = random() % 5000 + 1;
      std::uint64_t got = ledger.take(want);
      if (got < want) {
        std::uint64_t current = bound.load();
        std::uint64_t granted = 0;
        do {
          granted = chunk_for(kCapacity - current, want - got);
        } while (!bound.compare_exchange_weak(current, current + granted));
        ledger.grant(granted);
        got += ledger.take(want - got);
      }
      const std::uint64_t grown = got == 0 ? 0 : random() % (got + 1);
      if (occupied.fetch_add(static_cast<std::int64_t>(grown)) + static_cast<std::int64_t>(grown) >
          static_cast<std::int64_t>(kCapacity))
        is_passed = true;
      ledger.grew(grown, {.taken = grown});
      ledger.give_back(got - grown);
      mine += grown;
      if (random() % 8 == 0 && mine > 0) {
        const std::uint64_t shrunk = random() % (mine + 1);
        occupied.fetch_sub(static_cast<std::int64_t>(shrunk));
        ledger.shrank(shrunk);
        mine -= shrunk;
      }
      if (random() % 64 == 0) bound.fetch_sub(ledger.withdraw(random() % 10'000));
    }
  };
  {
    std::vector<std::jthread> writers;
    for (unsigned i = 0; i < 16; ++i) writers.emplace_back(writer, i);
  }
  CHECK_FALSE(is_passed.load());
  CHECK(ledger.taken() == 0);
  CHECK(ledger.debt() == 0);
  const auto unspent = static_cast<std::uint64_t>(ledger.state().unspent);
  CHECK(unspent == ledger.credit());
  CHECK(bound.load() == static_cast<std::uint64_t>(occupied.load()) + unspent);
}

// A count of one file, at any moment, plus what has grown and what is unspent, is never less than
// the bound ought to be.
TEST_CASE("what a recount finds is never too low", "[capacity]") {
  CapacityLedger ledger;
  ledger.grant(std::uint64_t{1} << 40);
  std::atomic<std::uint64_t> file{0};
  std::atomic<bool> is_done{false};
  std::shared_mutex removing;
  std::jthread writer([&] {
    for (int i = 0; i < 200'000; ++i) {
      const std::uint64_t got = ledger.take(4096);
      file.fetch_add(4096);
      ledger.grew(4096, {.taken = got});
      if (i % 3 == 0) {
        const std::shared_lock lock(removing);
        file.fetch_sub(4096);
        ledger.shrank(4096);
      }
    }
    is_done = true;
  });
  std::uint64_t too_low = 0;
  while (!is_done) {
    const std::uint64_t begin = ledger.state().grown;
    const std::uint64_t counted = file.load();
    const std::unique_lock lock(removing);
    const CapacityLedger::State end = ledger.state();
    const std::uint64_t bound =
        counted + (end.grown - begin) + static_cast<std::uint64_t>(end.unspent);
    // The bound has not been changed: occupied plus unspent is what was granted.
    if (bound < std::uint64_t{1} << 40) ++too_low;
  }
  CHECK(too_low == 0);
}

}  // namespace claimfs::backends
