#include "fs/request_counts.h"

#include <string>
#include <thread>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

using Totals = std::map<std::string_view, std::uint64_t>;

}  // namespace

TEST_CASE("a request is counted by its operation's name", "[request_counts]") {
  struct Row {
    std::uint32_t opcode;
    std::string_view name;
  };
  // Source: include/uapi/linux/fuse.h.
  for (const Row& row : {Row{1, "lookup"},        Row{3, "getattr"},
                         Row{8, "mknod"},         Row{10, "unlink"},
                         Row{18, "release"},      Row{20, "fsync"},
                         Row{26, "init"},         Row{35, "create"},
                         Row{42, "batch_forget"}, Row{44, "readdirplus"},
                         Row{45, "rename2"},      Row{51, "tmpfile"},
                         Row{52, "statx"},        Row{53, "copy_file_range_64"},
                         Row{0, "other"},         Row{7, "other"},
                         Row{19, "other"},        Row{54, "other"},
                         Row{4096, "other"},      Row{0xffffffff, "other"}}) {
    RequestCounts counts;
    CHECK(counts.totals().empty());
    RequestCounts::Tally tally(counts);
    tally.count(row.opcode);
    tally.count(row.opcode);
    INFO("opcode " << row.opcode);
    CHECK(counts.totals() == Totals{{row.name, 2}});
  }
}

TEST_CASE("what threads counted is in the totals while they run and after", "[request_counts]") {
  RequestCounts counts;
  RequestCounts::Tally mine(counts);
  mine.count(1);
  constexpr int kEach = 10000;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&counts] {
      RequestCounts::Tally tally(counts);
      for (int time = 0; time < kEach; ++time) {
        tally.count(1);
        tally.count(14);
      }
    });
  // Read beside: nothing that was seen goes away.
  std::uint64_t seen = 0;
  for (int look = 0; look < 100; ++look) {
    const std::uint64_t now = counts.totals()["lookup"];
    CHECK(now >= seen);
    seen = now;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(counts.totals() == Totals{{"lookup", 4 * kEach + 1}, {"open", 4 * kEach}});
}

}  // namespace claimfs::fs
