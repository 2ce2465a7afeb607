#include "volumes/timestamp.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace claimfs::volumes {

std::string timestamp_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::optional<std::int64_t> timestamp_seconds(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!end) return std::nullopt;
  if (*end == '.') {
    ++end;
    while (*end >= '0' && *end <= '9') ++end;
  }
  if (std::string_view(end) != "Z") return std::nullopt;
  return timegm(&parts);
}

std::string age_text(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kYear = 365 * kDay;
  const auto two = [seconds](std::int64_t large, const char* large_unit, std::int64_t small,
                             const char* small_unit) {
    std::string text = std::to_string(seconds / large) + large_unit;
    if (const std::int64_t rest = seconds % large / small)
      text += std::to_string(rest) + small_unit;
    return text;
  };
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * kMinute) return std::to_string(seconds) + "s";
  if (seconds < 10 * kMinute) return two(kMinute, "m", 1, "s");
  if (seconds < 3 * kHour) return std::to_string(seconds / kMinute) + "m";
  if (seconds < 8 * kHour) return two(kHour, "h", kMinute, "m");
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + "h";
  if (seconds < 8 * kDay) return two(kDay, "d", kHour, "h");
  if (seconds < 2 * kYear) return std::to_string(seconds / kDay) + "d";
  if (seconds < 8 * kYear) return two(kYear, "y", kDay, "d");
  return std::to_string(seconds / kYear) + "y";
}

}  // namespace claimfs::volumes
