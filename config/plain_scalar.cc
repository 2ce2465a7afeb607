#include "config/plain_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace claimfs::config {
namespace {

using volumes::Json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes digits off the front of `text`; how many there were.
size_t take_digits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  text.remove_prefix(count);
  return count;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

bool take_sign(std::string_view& text) { return take(text, '+') || take(text, '-'); }

// Takes a number of one or two digits between `low` and `high`.
std::optional<int> take_small(std::string_view& text, int low, int high) {
  int value = 0;
  size_t count = 0;
  while (count < 2 && count < text.size() && is_digit(text[count]))
    value = value * 10 + (text[count++] - '0');
  if (count == 0 || value < low || value > high) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

int days_in(int year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

bool is_zone(std::string_view text) {
  if (text == "Z") return true;
  return text.size() == 6 && take_sign(text) && take_small(text, 0, 24) && take(text, ':') &&
         take_small(text, 0, 60) && text.empty();
}

// YYYY-M-D, alone or followed by ` h:m:s[.f]` or by `Th:m:s[.f]ZONE`.
bool is_timestamp(std::string_view text) {
  if (text.size() < 5 || !std::all_of(text.begin(), text.begin() + 4, is_digit) || text[4] != '-')
    return false;
  int year = 0;
  std::from_chars(text.data(), text.data() + 4, year);
  text.remove_prefix(5);
  const std::optional<int> month = take_small(text, 1, 12);
  if (!month || !take(text, '-') || !take_small(text, 1, days_in(year, *month))) return false;
  if (text.empty()) return true;
  const bool zoned = take(text, 'T') || take(text, 't');
  if (!zoned && !take(text, ' ')) return false;
  if (!take_small(text, 0, 23) || !take(text, ':') || !take_small(text, 0, 59) ||
      !take(text, ':') || !take_small(text, 0, 59)) {
    return false;
  }
  if ((take(text, '.') || take(text, ',')) && take_digits(text) == 0) return false;
  return zoned ? is_zone(text) : text.empty();
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool is_float(std::string_view text) {
  take_sign(text);
  const size_t whole = take_digits(text);
  const size_t fraction = take(text, '.') ? take_digits(text) : 0;
  if (whole + fraction == 0) return false;
  if (take(text, 'e') || take(text, 'E')) {
    take_sign(text);
    if (take_digits(text) == 0) return false;
  }
  return text.empty();
}

// nullopt where the number is too large for a double.
std::optional<double> float_value(std::string_view text) {
  take(text, '+');
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    const size_t exponent = text.find_first_of("eE");
    const bool tiny =
        exponent != std::string_view::npos && text.substr(exponent + 1).starts_with('-');
    if (!tiny) return std::nullopt;
    return 0.0;
  }
  return value;
}

// Decimal, 0x, 0b, 0o, and a leading zero for octal, with a sign. More than 64 bits become a
// double.
std::optional<Json> integer_value(std::string_view text) {
  const bool negative = text.starts_with('-');
  const bool has_sign = take_sign(text);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
    text.remove_prefix(is_digit(text[1])                                 ? 1
                       : letter == 'x' || letter == 'b' || letter == 'o' ? 2
                                                                         : 0);
  }
  uint64_t magnitude = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, magnitude, base);
  if (stop != end || text.empty() || error == std::errc::invalid_argument) return std::nullopt;
  constexpr uint64_t kMostNegative = uint64_t{1} << 63;
  if (error == std::errc() && !negative && (magnitude < kMostNegative || !has_sign)) {
    if (magnitude < kMostNegative) return Json(static_cast<int64_t>(magnitude));
    return Json(magnitude);
  }
  if (error == std::errc() && negative && magnitude <= kMostNegative) {
    return Json(static_cast<int64_t>(~magnitude + 1));
  }
  double value = 0;
  for (const char digit : text) {
    const int amount = is_digit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;
    value = value * base + amount;
  }
  if (base == 10) value = float_value(text).value_or(value);
  return Json(negative ? -value : value);
}

PlainScalar number_or_text(std::string_view text) {
  const PlainScalar as_text{PlainType::String, Json(std::string(text))};
  if (text.front() == '.') {
    const std::optional<double> value = is_float(text) ? float_value(text) : std::nullopt;
    return value ? PlainScalar{PlainType::Float, Json(*value)} : as_text;
  }
  if (is_timestamp(text)) return {PlainType::Timestamp, as_text.value};
  std::string digits(text);
  std::erase(digits, '_');
  if (digits.empty()) return as_text;
  if (std::optional<Json> integer = integer_value(digits)) {
    // A number of more bits than a double can say is none that JSON could carry.
    if (integer->is_number_float() && !(std::abs(integer->get<double>()) < 1e308)) return as_text;
    return {PlainType::Integer, std::move(*integer)};
  }
  if (is_float(digits)) {
    if (const std::optional<double> value = float_value(digits))
      return {PlainType::Float, Json(*value)};
  }
  return as_text;
}

struct Word {
  std::string_view text;
  PlainType type;
  bool truth = false;
};

constexpr std::array kWords = {
    Word{"y", PlainType::Bool, true},    Word{"Y", PlainType::Bool, true},
    Word{"yes", PlainType::Bool, true},  Word{"Yes", PlainType::Bool, true},
    Word{"YES", PlainType::Bool, true},  Word{"true", PlainType::Bool, true},
    Word{"True", PlainType::Bool, true}, Word{"TRUE", PlainType::Bool, true},
    Word{"on", PlainType::Bool, true},   Word{"On", PlainType::Bool, true},
    Word{"ON", PlainType::Bool, true},   Word{"n", PlainType::Bool},
    Word{"N", PlainType::Bool},          Word{"no", PlainType::Bool},
    Word{"No", PlainType::Bool},         Word{"NO", PlainType::Bool},
    Word{"false", PlainType::Bool},      Word{"False", PlainType::Bool},
    Word{"FALSE", PlainType::Bool},      Word{"off", PlainType::Bool},
    Word{"Off", PlainType::Bool},        Word{"OFF", PlainType::Bool},
    Word{"", PlainType::Null},           Word{"~", PlainType::Null},
    Word{"null", PlainType::Null},       Word{"Null", PlainType::Null},
    Word{"NULL", PlainType::Null},       Word{".nan", PlainType::NotFinite},
    Word{".NaN", PlainType::NotFinite},  Word{".NAN", PlainType::NotFinite},
    Word{".inf", PlainType::NotFinite},  Word{".Inf", PlainType::NotFinite},
    Word{".INF", PlainType::NotFinite},  Word{"+.inf", PlainType::NotFinite},
    Word{"+.Inf", PlainType::NotFinite}, Word{"+.INF", PlainType::NotFinite},
    Word{"-.inf", PlainType::NotFinite}, Word{"-.Inf", PlainType::NotFinite},
    Word{"-.INF", PlainType::NotFinite},
};

}  // namespace

PlainScalar resolve_plain(std::string_view text) {
  for (const Word& word : kWords) {
    if (word.text != text) continue;
    return {word.type, word.type == PlainType::Bool ? Json(word.truth) : Json()};
  }
  if (text == "<<") return {PlainType::Merge, Json("<<")};
  if (is_digit(text.front()) ||
      std::string_view("+-.").find(text.front()) != std::string_view::npos) {
    return number_or_text(text);
  }
  return {PlainType::String, Json(std::string(text))};
}

bool is_base_60(std::string_view text) {
  take_sign(text);
  if (text.empty() || !is_digit(text.front())) return false;
  while (!text.empty() && (is_digit(text.front()) || text.front() == '_')) text.remove_prefix(1);
  bool has_places = false;
  while (take(text, ':')) {
    if (!take_small(text, 0, 59)) return false;
    has_places = true;
  }
  if (take(text, '.')) {
    while (!text.empty() && (is_digit(text.front()) || text.front() == '_')) text.remove_prefix(1);
  }
  return has_places && text.empty();
}

}  // namespace claimfs::config
