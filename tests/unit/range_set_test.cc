#include "backends/nfs/range_set.h"

#include <random>
#include <set>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {

namespace {

std::vector<ByteRange> parts_of(const RangeSet& set, ByteRange range) {
  std::vector<ByteRange> parts;
  set.visit(range, [&](ByteRange part) { parts.push_back(part); });
  return parts;
}

std::vector<ByteRange> gaps_of(const RangeSet& set, ByteRange range) {
  std::vector<ByteRange> gaps;
  set.visit_gaps(range, [&](ByteRange gap) { gaps.push_back(gap); });
  return gaps;
}

}  // namespace

TEST_CASE("ranges that touch become one, and are cut where something goes", "[nfs]") {
  RangeSet set;
  set.add({10, 20});
  set.add({30, 40});
  CHECK(set.count() == 2);
  set.add({20, 30});
  CHECK(set.count() == 1);
  CHECK(set.bytes() == 30);
  set.remove({15, 25});
  CHECK(parts_of(set, {0, 100}) == std::vector<ByteRange>{{10, 15}, {25, 40}});
  CHECK(parts_of(set, {12, 30}) == std::vector<ByteRange>{{12, 15}, {25, 30}});
  CHECK(gaps_of(set, {0, 100}) == std::vector<ByteRange>{{0, 10}, {15, 25}, {40, 100}});
  CHECK(gaps_of(set, {12, 14}).empty());
  CHECK(gaps_of(set, {40, 41}) == std::vector<ByteRange>{{40, 41}});
  set.drop_last();
  CHECK(set.bytes() == 5);
  set.add({7, 7});
  CHECK(set.count() == 1);
  set.clear();
  CHECK(set.empty());
}

TEST_CASE("a set of ranges is what a set of bytes is", "[nfs]") {
  const unsigned seed = Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  RangeSet set;
  std::set<std::uint64_t> model;
  for (int step = 0; step < 5'000; ++step) {
    const std::uint64_t begin = random() % 64;
    const ByteRange range{begin, begin + random() % 16};
    if (random() % 2 == 0) {
      set.add(range);
      for (auto each = range.begin; each < range.end; ++each) model.insert(each);
    } else {
      set.remove(range);
      for (auto each = range.begin; each < range.end; ++each) model.erase(each);
    }
    std::set<std::uint64_t> seen;
    set.visit({0, 100}, [&](ByteRange part) {
      for (auto each = part.begin; each < part.end; ++each) seen.insert(each);
    });
    REQUIRE(seen == model);
    REQUIRE(set.bytes() == model.size());
    std::uint64_t missing = 0;
    set.visit_gaps({0, 100}, [&](ByteRange gap) { missing += gap.length(); });
    REQUIRE(missing == 100 - model.size());
  }
}

}  // namespace claimfs::backends::nfs
