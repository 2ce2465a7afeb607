// --timeout.

#include "cli/duration.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {

TEST_CASE("durations as kubectl takes them", "[duration]") {
  const std::pair<const char*, long> rows[] = {
      {"0", 0},        {"0s", 0},         {"60s", 60'000},   {"500ms", 500},
      {"2m", 120'000}, {"1h", 3'600'000}, {"1m30s", 90'000}, {"1.5h", 5'400'000},
      {"0.5s", 500},   {"-1s", -1'000},   {"1ns", 1},        {"100us", 1},
  };
  for (const auto& [text, milliseconds] : rows) {
    INFO(text);
    CHECK(parse_duration(text) == std::chrono::milliseconds(milliseconds));
  }
  for (const char* wrong : {"", "-", "5", "s", "5 s", "5x", "infs", "nans", "1e3s", "--1s", "1s-1s",
                            "99999999999999999999h"}) {
    INFO(wrong);
    CHECK_FALSE(parse_duration(wrong));
  }
}

}  // namespace claimfs::cli
