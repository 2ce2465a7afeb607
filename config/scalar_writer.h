#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace claimfs::config {

// A text being written that knows its column, which folding depends on.
class ColumnText {
 public:
  void put(std::string_view text);  // columns are code points
  void new_line(size_t indent);     // a line break and `indent` spaces
  size_t column() const { return column_; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  size_t column_ = 0;
};

enum class ScalarPlace { Value, Key };

// Whether `key` fits before a colon, or needs a line of its own behind a `?`.
bool is_simple_key(std::string_view key);

// Writes a string in the style that go-yaml v2 picks for it: plain, single or double quoted, or a
// literal block. `indent` is the column of continued lines.
void write_string(std::string_view text, ScalarPlace place, size_t indent, ColumnText& into);

}  // namespace claimfs::config
