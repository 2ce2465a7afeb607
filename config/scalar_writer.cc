#include "config/scalar_writer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "config/plain_scalar.h"

namespace claimfs::config {
namespace {

constexpr size_t kBestWidth = 80;
constexpr size_t kLongestSimpleKey = 128;  // bytes

enum class Style { Plain, SingleQuoted, DoubleQuoted, Literal };

// One code point and its bytes. What is not UTF-8 counts byte by byte.
struct CodePoint {
  uint32_t value;
  std::string_view bytes;
};

CodePoint front_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t value = length == 1 ? lead : lead & (0xffU >> (length + 1));
  if (length > text.size()) return {lead, text.substr(0, 1)};
  for (size_t at = 1; at < length; ++at)
    value = (value << 6) | (static_cast<unsigned char>(text[at]) & 0x3fU);
  return {value, text.substr(0, length)};
}

// go-yaml's notion: tabs and what lies above U+FFFF are not.
bool is_printable(uint32_t c) {
  return c == '\n' || (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff) ||
         (c >= 0xe000 && c <= 0xfffd && c != 0xfeff);
}

bool is_break(uint32_t c) {
  return c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_blank_at(std::string_view text, size_t at) {
  return at >= text.size() || text[at] == ' ' || text[at] == '\t';
}

bool starts_with_indicator(std::string_view text) {
  if (text.starts_with("---") || text.starts_with("...")) return true;
  const char first = text.front();
  if (std::string_view("#,[]{}&*!|>'\"%@`").find(first) != std::string_view::npos) return true;
  return (first == '?' || first == ':' || first == '-') && is_blank_at(text, 1);
}

// `: ` and ` #` would end a plain scalar.
bool contains_indicator(std::string_view text) {
  for (size_t at = 1; at < text.size(); ++at) {
    if (text[at] == ':' && is_blank_at(text, at + 1)) return true;
    const bool after_blank = text[at - 1] == '\n' || is_blank_at(text, at - 1);
    if (text[at] == '#' && after_blank) return true;
  }
  return false;
}

struct Traits {
  bool has_specials = false;  // characters that only double quotes can say
  bool has_breaks = false;
  bool space_before_break = false;
};

Traits traits_of(std::string_view text) {
  Traits traits;
  bool previous_space = false;
  while (!text.empty()) {
    const CodePoint point = front_of(text);
    if (!is_printable(point.value)) traits.has_specials = true;
    if (is_break(point.value)) {
      traits.has_breaks = true;
      if (previous_space) traits.space_before_break = true;
    }
    previous_space = point.value == ' ';
    text.remove_prefix(point.bytes.size());
  }
  return traits;
}

Style style_of(std::string_view text, ScalarPlace place) {
  if (text.empty()) return Style::DoubleQuoted;
  const Traits traits = traits_of(text);
  if (text.find('\n') != std::string_view::npos) {
    const bool can_be_literal = place == ScalarPlace::Value && !traits.has_specials &&
                                !traits.space_before_break && text.back() != ' ';
    return can_be_literal ? Style::Literal : Style::DoubleQuoted;
  }
  const PlainType meaning = resolve_plain(text).type;
  const bool is_text =
      meaning == PlainType::String || (meaning == PlainType::Merge && place == ScalarPlace::Value);
  if (!is_text || is_base_60(text)) return Style::DoubleQuoted;
  if (traits.has_specials || traits.has_breaks) return Style::DoubleQuoted;
  const bool needs_quotes = text.front() == ' ' || text.back() == ' ' ||
                            starts_with_indicator(text) || contains_indicator(text);
  return needs_quotes ? Style::SingleQuoted : Style::Plain;
}

void write_unquoted(std::string_view text, Style style, bool may_fold, size_t indent,
                    ColumnText& into) {
  const bool is_quoted = style == Style::SingleQuoted;
  if (is_quoted) into.put("'");
  bool after_space = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = front_of(text.substr(at));
    const bool is_space = point.value == ' ';
    const bool at_edge = is_quoted && (at == 0 || at + 1 == text.size());
    const bool next_is_space = at + 1 < text.size() && text[at + 1] == ' ';
    if (is_space && may_fold && !after_space && into.column() > kBestWidth && !at_edge &&
        !next_is_space) {
      into.new_line(indent);
    } else {
      if (is_quoted && point.value == '\'') into.put("'");
      into.put(point.bytes);
    }
    after_space = is_space;
    at += point.bytes.size();
  }
  if (is_quoted) into.put("'");
}

std::string escape_of(uint32_t c) {
  struct Short {
    uint32_t c;
    const char* escape;
  };
  static constexpr std::array kShort = {
      Short{0, "\\0"},      Short{7, "\\a"},      Short{8, "\\b"},     Short{'\t', "\\t"},
      Short{'\n', "\\n"},   Short{11, "\\v"},     Short{12, "\\f"},    Short{'\r', "\\r"},
      Short{27, "\\e"},     Short{'"', "\\\""},   Short{'\\', "\\\\"}, Short{0x85, "\\N"},
      Short{0x2028, "\\L"}, Short{0x2029, "\\P"},
  };
  for (const Short& entry : kShort) {
    if (entry.c == c) return entry.escape;
  }
  std::array<char, 16> buffer{};
  const char* const format = c <= 0xff ? "\\x%02X" : c <= 0xffff ? "\\u%04X" : "\\U%08X";
  std::snprintf(buffer.data(), buffer.size(), format, static_cast<unsigned>(c));
  return buffer.data();
}

void write_double_quoted(std::string_view text, bool may_fold, size_t indent, ColumnText& into) {
  into.put("\"");
  bool after_space = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = front_of(text.substr(at));
    const bool is_space = point.value == ' ';
    if (!is_printable(point.value) || is_break(point.value) || point.value == '"' ||
        point.value == '\\') {
      into.put(escape_of(point.value));
    } else if (is_space && may_fold && !after_space && into.column() > kBestWidth && at > 0 &&
               at + 1 < text.size()) {
      into.new_line(indent);
      if (text[at + 1] == ' ') into.put("\\");
    } else {
      into.put(point.bytes);
    }
    after_space = is_space;
    at += point.bytes.size();
  }
  into.put("\"");
}

void write_literal(std::string_view text, size_t indent, ColumnText& into) {
  into.put("|");
  if (text.front() == ' ' || text.front() == '\n') into.put("2");
  if (text.back() != '\n') {
    into.put("-");
  } else if (text == "\n" || text.ends_with("\n\n")) {
    into.put("+");
  }
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    into.new_line(end == 0 ? 0 : indent);
    into.put(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

void ColumnText::put(std::string_view text) {
  text_ += text;
  column_ += static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void ColumnText::new_line(size_t indent) {
  text_ += '\n';
  text_.append(indent, ' ');
  column_ = indent;
}

bool is_simple_key(std::string_view key) {
  return key.size() <= kLongestSimpleKey && !traits_of(key).has_breaks;
}

void write_string(std::string_view text, ScalarPlace place, size_t indent, ColumnText& into) {
  const bool may_fold = place == ScalarPlace::Value;
  switch (const Style style = style_of(text, place)) {
    case Style::Plain:
    case Style::SingleQuoted:
      return write_unquoted(text, style, may_fold, indent, into);
    case Style::DoubleQuoted:
      return write_double_quoted(text, may_fold, indent, into);
    case Style::Literal:
      return write_literal(text, indent, into);
  }
}

}  // namespace claimfs::config
