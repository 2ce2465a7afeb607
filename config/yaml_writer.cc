#include "config/yaml_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "config/scalar_writer.h"

namespace claimfs::config {
namespace {

using volumes::Json;

// By the first byte: beyond ASCII nearly everything is a letter but for U+0080 to U+00BF and what
// lies above U+FFFF.
bool is_letter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x80) return byte != 0xc2 && byte < 0xf0;
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits of `text` from `at` on, as a number that begins with `value`. Overflow wraps, as it
// does in go-yaml.
uint64_t number_at(std::string_view text, size_t& at, uint64_t value) {
  while (at < text.size() && is_digit(text[at]))
    value = value * 10 + static_cast<uint64_t>(text[at++] - '0');
  return value;
}

// go-yaml's order of keys: letters behind everything else, runs of digits by their value ("a2"
// before "a10").
bool natural_less(std::string_view left, std::string_view right) {
  const size_t shorter = std::min(left.size(), right.size());
  size_t at = 0;
  while (at < shorter && left[at] == right[at]) ++at;
  if (at == shorter) return left.size() < right.size();
  const auto a = static_cast<unsigned char>(left[at]);
  const auto b = static_cast<unsigned char>(right[at]);
  if (is_letter(left[at]) && is_letter(right[at])) return a < b;
  if (is_letter(left[at]) || is_letter(right[at])) return is_letter(right[at]);
  // A zero inside a number (100 against 20) is a digit; in front of one it only fills up.
  uint64_t start = 0;
  if (left[at] == '0' || right[at] == '0') {
    for (size_t before = at; before > 0 && is_digit(left[before - 1]); --before) {
      if (left[before - 1] != '0') start = 1;
    }
  }
  size_t left_end = at;
  size_t right_end = at;
  const auto left_number = static_cast<int64_t>(number_at(left, left_end, start));
  const auto right_number = static_cast<int64_t>(number_at(right, right_end, start));
  if (left_number != right_number) return left_number < right_number;
  if (left_end != right_end) return left_end < right_end;
  return a < b;
}

// As Go prints it after a way through JSON: whole numbers as such, others as %g with the fewest
// digits.
std::string float_text(double value) {
  constexpr double kWholeLimit = 1e21;
  std::array<char, 64> buffer{};
  const auto print = [&](std::chars_format format) {
    const auto [end, error] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
    return std::string(buffer.data(), end);
  };
  if (value == 0) return "0";
  if (std::trunc(value) == value && std::abs(value) < kWholeLimit) {
    const std::string whole = print(std::chars_format::fixed);
    // Beyond 64 bits YAML has no whole numbers.
    if (std::abs(value) < 9.2e18) return whole;
  }
  const double magnitude = std::abs(value);
  return print(magnitude < 1e-4 || magnitude >= kWholeLimit || magnitude >= 1e6
                   ? std::chars_format::scientific
                   : std::chars_format::fixed);
}

// Where a collection begins: on a line of its own, or behind the `- ` or `: ` of what holds it.
enum class Start { OwnLine, Inline };

class Writer {
 public:
  void write(const Json& value, size_t indent, Start start) {
    if (value.is_object() && !value.empty()) return write_map(value, indent, start);
    if (value.is_array() && !value.empty()) return write_list(value, indent, start);
    write_leaf(value, indent + 2);
  }

  std::string take() { return text_.take() + "\n"; }

 private:
  void begin_line(size_t indent) {
    if (!is_first_) text_.new_line(indent);
    is_first_ = false;
  }

  void write_leaf(const Json& value, size_t indent) {
    if (value.is_string())
      return write_string(value.get_ref<const std::string&>(), ScalarPlace::Value, indent, text_);
    text_.put(value.is_number_float() ? float_text(value.get<double>()) : value.dump());
  }

  void write_map(const Json& map, size_t indent, Start start) {
    std::vector<Json::const_iterator> entries;
    for (auto entry = map.begin(); entry != map.end(); ++entry) entries.push_back(entry);
    std::sort(entries.begin(), entries.end(), [](const auto& left, const auto& right) {
      return natural_less(left.key(), right.key());
    });
    for (const auto& entry : entries) {
      if (start == Start::OwnLine || entry != entries.front()) begin_line(indent);
      is_first_ = false;
      if (is_simple_key(entry.key())) {
        write_string(entry.key(), ScalarPlace::Key, indent + 2, text_);
        text_.put(":");
        write_value(entry.value(), indent);
      } else {
        text_.put("? ");
        write_string(entry.key(), ScalarPlace::Value, indent + 2, text_);
        begin_line(indent);
        text_.put(": ");
        write(entry.value(), indent + (is_filled(entry.value()) ? 2 : 0), Start::Inline);
      }
    }
  }

  static bool is_filled(const Json& value) { return value.is_structured() && !value.empty(); }

  void write_value(const Json& value, size_t indent) {
    if (!is_filled(value)) {
      text_.put(" ");
      write_leaf(value, indent + 2);
    } else {
      write(value, value.is_object() ? indent + 2 : indent, Start::OwnLine);
    }
  }

  void write_list(const Json& list, size_t indent, Start start) {
    bool is_first_item = true;
    for (const Json& item : list) {
      if (start == Start::OwnLine || !is_first_item) begin_line(indent);
      is_first_ = is_first_item = false;
      text_.put("- ");
      write(item, indent + (is_filled(item) ? 2 : 0), Start::Inline);
    }
  }

  ColumnText text_;
  bool is_first_ = true;
};

}  // namespace

std::string to_yaml(const Json& value) {
  Writer writer;
  writer.write(value, 0, Start::OwnLine);
  return writer.take();
}

}  // namespace claimfs::config
