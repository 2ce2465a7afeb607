#include "cli/duration.h"

#include <charconv>
#include <cmath>

namespace claimfs::cli {
namespace {

std::optional<double> milliseconds_of(std::string_view unit) {
  if (unit == "ns") return 1e-6;
  if (unit == "us" || unit == "µs") return 1e-3;
  if (unit == "ms") return 1;
  if (unit == "s") return 1e3;
  if (unit == "m") return 60e3;
  if (unit == "h") return 3600e3;
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr double kMost = 1e15;  // some ten thousand years, and still a whole number
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    double count = 0;
    const auto [rest, error] =
        std::from_chars(text.data(), text.data() + text.size(), count, std::chars_format::fixed);
    if (error != std::errc() || count < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    const std::string_view unit = text.substr(0, text.find_first_of("0123456789."));
    const auto factor = milliseconds_of(unit);
    if (!factor) return std::nullopt;
    sum += count * *factor;
    text.remove_prefix(unit.size());
  }
  if (!(sum <= kMost)) return std::nullopt;
  // What is shorter than we can wait is not the same as nothing.
  const auto whole = static_cast<std::chrono::milliseconds::rep>(std::ceil(sum));
  return std::chrono::milliseconds(is_negative ? -whole : whole);
}

}  // namespace claimfs::cli
