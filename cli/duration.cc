#include "cli/duration.h"

#include <charconv>

namespace claimfs::cli {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return std::nullopt;
  std::chrono::milliseconds sum(0);
  while (!text.empty()) {
    unsigned count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    const std::string_view unit = text.substr(0, text.find_first_of("0123456789"));
    if (unit == "ms") {
      sum += std::chrono::milliseconds(count);
    } else if (unit == "s") {
      sum += std::chrono::seconds(count);
    } else if (unit == "m") {
      sum += std::chrono::minutes(count);
    } else if (unit == "h") {
      sum += std::chrono::hours(count);
    } else {
      return std::nullopt;
    }
    text.remove_prefix(unit.size());
  }
  return sum;
}

}  // namespace claimfs::cli
