#include "backends/nfs/cached_pages.h"

#include <string>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::tests {

using backends::Attributes;
using backends::nfs::CachedPages;
using backends::nfs::Clock;
using std::chrono::milliseconds;

namespace {

constexpr time_t kNow = 1'000'000;

// A file as its server tells of it: its last change was so long ago.
Attributes changed(time_t seconds_ago, long nanoseconds, off_t size = 10) {
  Attributes told;
  told.mtime = {kNow - seconds_ago, nanoseconds};
  told.ctime = told.mtime;
  told.size = size;
  return told;
}

CachedPages::Open open_at(int after_ms, const Attributes& told) {
  return {told, Clock::time_point() + milliseconds(after_ms), timespec{kNow, 0}};
}

}  // namespace

TEST_CASE("pages are kept while a file is as it was when they were read", "[cached_pages]") {
  struct Step {
    int at_ms;
    Attributes told;
    bool may_keep;
    bool reads = true;  // the kernel, by this open
  };
  const Attributes old = changed(3600, 5);
  const Attributes recent = changed(1, 5);
  const Attributes in_seconds = changed(1, 0);
  Attributes other_mtime = old;
  other_mtime.mtime.tv_nsec = 6;
  Attributes other_ctime = old;
  other_ctime.ctime.tv_sec += 1;
  Attributes grown = old;
  grown.size = 11;
  struct Row {
    const char* name;
    std::vector<Step> steps;
  };
  const std::vector<Row> rows = {
      {"changed long ago", {{0, old, false}, {1, old, true}, {2, old, true}}},
      {"opened and not read: what is cached may be older",
       {{0, old, false, false}, {1, old, false, false}, {2, old, false}, {3, old, true}}},
      {"another mtime", {{0, old, false}, {1, other_mtime, false}, {2, other_mtime, true}}},
      {"another ctime", {{0, old, false}, {1, other_ctime, false}, {2, other_ctime, true}}},
      {"another size", {{0, old, false}, {1, grown, false}, {2, grown, true}}},
      {"and back again", {{0, old, false}, {1, grown, false}, {2, old, false}, {3, old, true}}},
      {"changed just now: may be again within the tick",
       {{0, recent, false},
        {19, recent, false},
        {19, recent, false},
        {20, recent, false},
        {21, recent, true}}},
      {"the same, read within the tick only",
       {{0, recent, false}, {1, recent, false}, {50, recent, false}, {51, recent, true}}},
      {"times in whole seconds",
       {{0, in_seconds, false},
        {100, in_seconds, false},
        {2400, in_seconds, false},
        {2500, in_seconds, false},
        {2501, in_seconds, true}}},
      {"by a clock that is ahead of ours",
       {{0, changed(-500, 5), false},
        {1, changed(-500, 5), false},
        {30, changed(-500, 5), false},
        {31, changed(-500, 5), true}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CachedPages pages;
    int number = 0;
    for (const Step& step : row.steps) {
      CAPTURE(number++);
      const CachedPages::Open open = open_at(step.at_ms, step.told);
      const bool may_keep = pages.may_keep(open);
      CHECK(may_keep == step.may_keep);
      if (!may_keep && step.reads) pages.dropped(open);
    }
  }
}

TEST_CASE("an open that has not been heard of when others are says nothing of their pages",
          "[cached_pages]") {
  CachedPages pages;
  const CachedPages::Open before = open_at(0, changed(3600, 5));
  const CachedPages::Open after = open_at(1, changed(3600, 6));
  CHECK_FALSE(pages.may_keep(before));
  CHECK_FALSE(pages.may_keep(after));
  pages.dropped(before);  // the kernel may not have heard of the other one
  CHECK_FALSE(pages.may_keep(open_at(2, changed(3600, 6))));
  pages.dropped(after);
  CHECK(pages.may_keep(open_at(3, changed(3600, 6))));
  // Told late: pages are not older for that.
  pages.dropped(after);
  CHECK(pages.may_keep(open_at(4, changed(3600, 6))));
}

}  // namespace claimfs::tests
