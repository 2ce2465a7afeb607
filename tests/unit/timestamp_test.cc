#include "volumes/timestamp.h"

#include "tests/unit/catch.h"

namespace claimfs::volumes {

TEST_CASE("times are RFC 3339 in UTC", "[timestamp]") {
  const std::pair<std::int64_t, const char*> rows[] = {
      {0, "1970-01-01T00:00:00Z"},
      {951'782'400, "2000-02-29T00:00:00Z"},
      {1'795'419'449, "2026-11-23T07:37:29Z"},
      {4'102'444'799, "2099-12-31T23:59:59Z"},
  };
  for (const auto& [seconds, text] : rows) {
    CHECK(timestamp_text(seconds) == text);
    CHECK(timestamp_seconds(text) == seconds);
  }
  for (const char* wrong :
       {"", "yesterday", "2026-11-23", "2026-13-01T00:00:00Z", "2026-11-23T07:37:29"})
    CHECK_FALSE(timestamp_seconds(wrong));
}

TEST_CASE("ages are as kubectl prints them", "[timestamp]") {
  constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 24 * kHour, kYear = 365 * kDay;
  const std::pair<std::int64_t, const char*> rows[] = {
      {-5, "<invalid>"},
      {0, "0s"},
      {119, "119s"},
      {120, "2m"},
      {125, "2m5s"},
      {10 * kMinute - 1, "9m59s"},
      {10 * kMinute, "10m"},
      {3 * kHour - 1, "179m"},
      {3 * kHour, "3h"},
      {3 * kHour + 5 * kMinute, "3h5m"},
      {8 * kHour - 1, "7h59m"},
      {8 * kHour, "8h"},
      {48 * kHour - 1, "47h"},
      {48 * kHour, "2d"},
      {2 * kDay + 4 * kHour, "2d4h"},
      {8 * kDay - 1, "7d23h"},
      {8 * kDay, "8d"},
      {2 * kYear - 1, "729d"},
      {2 * kYear, "2y"},
      {2 * kYear + 3 * kDay, "2y3d"},
      {8 * kYear, "8y"},
      {8 * kYear + 9 * kDay, "8y"},
  };
  for (const auto& [seconds, text] : rows) {
    INFO(seconds);
    CHECK(age_text(seconds) == text);
  }
}

}  // namespace claimfs::volumes
