#include "volumes/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace claimfs::volumes {
namespace {

constexpr std::string_view kWrongFormat =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view kWrongNumber = "unable to parse numeric part of quantity";
constexpr std::string_view kWrongSuffix = "unable to parse quantity's suffix";

constexpr int kNanoDigits = 9;
// Larger exponents only cost memory; nothing has 10^1000 bytes (ours).
constexpr int kMaxExponent = 999;

constexpr std::array<std::string_view, 10> kDecimalSuffixes = {"n", "u", "m", "",  "k",
                                                               "M", "G", "T", "P", "E"};
constexpr std::array<std::string_view, 7> kBinarySuffixes = {"",   "Ki", "Mi", "Gi",
                                                             "Ti", "Pi", "Ei"};

void strip_leading_zeros(std::string& digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
}

void multiply(std::string& digits, unsigned factor) {
  unsigned carry = 0;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    const unsigned product = static_cast<unsigned>(*digit - '0') * factor + carry;
    *digit = static_cast<char>('0' + product % 10);
    carry = product / 10;
  }
  if (carry > 0) digits.insert(0, std::to_string(carry));
}

void increment(std::string& digits) {
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    if (*digit != '9') {
      ++*digit;
      return;
    }
    *digit = '0';
  }
  digits.insert(digits.begin(), '1');
}

// `digits` * 10^shift, rounded up.
void scale(std::string& digits, int shift) {
  if (shift >= 0) {
    digits.append(static_cast<std::size_t>(shift), '0');
  } else {
    const auto dropped = std::min(digits.size(), static_cast<std::size_t>(-shift));
    const bool loses = digits.find_first_not_of('0', digits.size() - dropped) != std::string::npos;
    digits.erase(digits.size() - dropped);
    if (loses) increment(digits);
  }
  strip_leading_zeros(digits);
}

std::strong_ordering compare_digits(const std::string& left, const std::string& right) {
  if (left.size() != right.size()) return left.size() <=> right.size();
  return left.compare(right) <=> 0;
}

// Without the sign: `01.5Gi` is {01, 5, Gi}.
struct Parts {
  std::string_view whole;
  std::string_view fraction;
  std::string_view suffix;
};

tl::expected<Parts, std::string> split(std::string_view text) {
  const auto end_of = [](std::string_view from, std::string_view set) {
    return std::min(from.find_first_not_of(set), from.size());
  };
  constexpr std::string_view kDigits = "0123456789";
  Parts parts;
  parts.whole = text.substr(0, end_of(text, kDigits));
  text.remove_prefix(parts.whole.size());
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    parts.fraction = text.substr(0, end_of(text, kDigits));
    text.remove_prefix(parts.fraction.size());
  }
  parts.suffix = text;
  std::string_view rest = text.substr(end_of(text, "eEinumkKMGTP"));
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  if (end_of(rest, kDigits) != rest.size()) return tl::unexpected(std::string(kWrongFormat));
  if (parts.whole.empty() && parts.fraction.empty())
    return tl::unexpected(std::string(kWrongNumber));
  return parts;
}

std::optional<int> exponent_of(std::string_view suffix) {
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  suffix.remove_prefix(1);
  if (suffix[0] == '+') suffix.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), exponent);
  if (error != std::errc() || end != suffix.data() + suffix.size() ||
      std::abs(exponent) > kMaxExponent)
    return std::nullopt;
  return exponent;
}

}  // namespace

tl::expected<Quantity, std::string> Quantity::parse(std::string_view text) {
  if (text.empty()) return tl::unexpected(std::string(kWrongFormat));
  const bool negative = text.starts_with('-');
  const auto split_up = split(negative || text.starts_with('+') ? text.substr(1) : text);
  if (!split_up) return tl::unexpected(split_up.error());
  const Parts& parts = *split_up;

  Quantity quantity;
  quantity.nanos_ = std::string(parts.whole) + std::string(parts.fraction);
  int shift = kNanoDigits - static_cast<int>(parts.fraction.size());

  const auto binary =
      std::ranges::find(kBinarySuffixes.begin() + 1, kBinarySuffixes.end(), parts.suffix);
  const auto decimal = std::ranges::find(kDecimalSuffixes, parts.suffix);
  if (binary != kBinarySuffixes.end()) {
    quantity.format_ = Format::BinarySi;
    for (auto power = kBinarySuffixes.begin(); power != binary; ++power)
      multiply(quantity.nanos_, 1024);
  } else if (decimal != kDecimalSuffixes.end()) {
    shift += 3 * static_cast<int>(decimal - kDecimalSuffixes.begin()) - kNanoDigits;
  } else if (const auto exponent = exponent_of(parts.suffix)) {
    quantity.format_ = Format::DecimalExponent;
    shift += *exponent;
  } else {
    return tl::unexpected(std::string(kWrongSuffix));
  }
  scale(quantity.nanos_, shift);
  quantity.negative_ = negative && !quantity.nanos_.empty();

  if (quantity.format_ == Format::BinarySi) {
    const std::string largest =
        std::to_string(std::numeric_limits<std::int64_t>::max()) + std::string(kNanoDigits, '0');
    if (compare_digits(quantity.nanos_, largest) > 0) quantity.nanos_ = largest;
    if (quantity.nanos_.size() <= kNanoDigits && !quantity.nanos_.empty())
      quantity.format_ = Format::DecimalSi;
  }

  // Kubernetes echoes what already has the canonical digits and suffix, oddities (`+1Gi`, `01Gi`,
  // `1.`, `1E3`) included.
  if (parts.fraction.empty() && !quantity.is_zero()) {
    std::string normal =
        (negative ? "-" : "") + std::string(parts.whole.substr(std::min(
                                    parts.whole.find_first_not_of('0'), parts.whole.size())));
    normal += parts.suffix;
    const std::string canonical = quantity.canonical();
    const auto same = [](char a, char b) { return a == b || (a == 'E' && b == 'e'); };
    const bool is_exponent = quantity.format_ == Format::DecimalExponent;
    if (is_exponent ? std::ranges::equal(normal, canonical, same) : normal == canonical)
      quantity.verbatim_ = text;
  }
  return quantity;
}

tl::expected<Quantity, std::string> Quantity::parse_value(const Json& value) {
  if (value.is_number()) return parse(value.dump());
  if (!value.is_string()) return tl::unexpected(std::string(kWrongFormat));
  std::string_view text = value.get_ref<const std::string&>();
  const auto begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return tl::unexpected(std::string(kWrongFormat));
  return parse(text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1));
}

std::optional<Quantity> Quantity::from(const Json& value) {
  const auto parsed = parse_value(value);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

Quantity Quantity::of_bytes(std::int64_t bytes) {
  Quantity quantity;
  quantity.format_ = Format::BinarySi;
  quantity.negative_ = bytes < 0;
  quantity.nanos_ = std::to_string(bytes).substr(bytes < 0 ? 1 : 0) + std::string(kNanoDigits, '0');
  strip_leading_zeros(quantity.nanos_);
  return quantity;
}

bool Quantity::is_whole() const {
  return is_zero() ||
         (nanos_.size() > kNanoDigits &&
          nanos_.find_first_not_of('0', nanos_.size() - kNanoDigits) == std::string::npos);
}

std::int64_t Quantity::bytes() const {
  std::string whole = nanos_;
  scale(whole, -kNanoDigits);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<std::int64_t>::max();
  // Away from zero below it, too: only its sign matters.
  return negative_ ? -value : value;
}

std::string Quantity::text() const { return verbatim_.empty() ? canonical() : verbatim_; }

std::string Quantity::canonical() const {
  if (is_zero()) return "0";
  const std::string sign = negative_ ? "-" : "";
  if (format_ == Format::BinarySi && is_whole()) {
    std::int64_t mantissa = negative_ ? -bytes() : bytes();
    if (mantissa >= 1024) {
      std::size_t power = 0;
      while (mantissa % 1024 == 0 && power + 1 < kBinarySuffixes.size()) {
        mantissa /= 1024;
        ++power;
      }
      return sign + std::to_string(mantissa) + std::string(kBinarySuffixes[power]);
    }
  }
  std::string mantissa = nanos_;
  int exponent = -kNanoDigits;
  while (mantissa.ends_with("000")) {
    // Beyond E decimal suffixes end; exponents go on.
    if (format_ != Format::DecimalExponent && exponent == 18) break;
    mantissa.resize(mantissa.size() - 3);
    exponent += 3;
  }
  if (format_ != Format::DecimalExponent) {
    return sign + mantissa +
           std::string(kDecimalSuffixes[static_cast<std::size_t>((exponent + kNanoDigits) / 3)]);
  }
  return sign + mantissa + (exponent == 0 ? "" : "e" + std::to_string(exponent));
}

std::strong_ordering operator<=>(const Quantity& left, const Quantity& right) {
  if (left.negative_ != right.negative_)
    return left.negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  const auto order = compare_digits(left.nanos_, right.nanos_);
  return left.negative_ ? 0 <=> order : order;
}

}  // namespace claimfs::volumes
