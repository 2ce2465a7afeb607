#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "volumes/object.h"

namespace claimfs::volumes {

// An amount of storage, exact to a billionth, of any size. Compared by value: 1000M == 1G < 1Gi.
// Source: apimachinery resource.Quantity (KUBERNETES.md 6.2); rows: quantity/*.
class Quantity {
 public:
  Quantity() = default;  // zero

  // `1Gi`, `1.5G`, `100m`, `1e3`. Finer values than 1e-9 round away from zero; binary ones end at
  // 2^63-1. The error is one of Kubernetes' three sentences.
  static tl::expected<Quantity, std::string> parse(std::string_view text);

  // From a manifest's value: a string with blanks around it allowed, or a number.
  static tl::expected<Quantity, std::string> parse_value(const Json& value);
  // The same; nothing when it is no quantity.
  static std::optional<Quantity> from(const Json& value);

  static Quantity of_bytes(std::int64_t bytes);

  // As Kubernetes prints it: an integer with the largest suffix that loses nothing, in the family
  // it was written in.
  std::string text() const;

  // Whole bytes, rounded up, at most 2^63-1.
  std::int64_t bytes() const;

  bool is_zero() const { return nanos_.empty(); }
  bool is_negative() const { return negative_; }
  bool is_whole() const;

  friend std::strong_ordering operator<=>(const Quantity& left, const Quantity& right);
  friend bool operator==(const Quantity& left, const Quantity& right) {
    return (left <=> right) == 0;
  }

 private:
  enum class Format { DecimalSi, DecimalExponent, BinarySi };

  std::string canonical() const;

  Format format_ = Format::DecimalSi;
  bool negative_ = false;
  std::string nanos_;     // decimal digits of |value| * 1e9, without leading zeros; empty is zero
  std::string verbatim_;  // the text as written, where Kubernetes echoes it; else empty
};

}  // namespace claimfs::volumes
