#include "cli/tab_writer.h"

#include <algorithm>
#include <vector>

namespace claimfs::cli {
namespace {

using Line = std::vector<std::string_view>;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Characters, not bytes: continuation bytes of UTF-8 take no room.
std::size_t width_of(std::string_view cell) {
  return static_cast<std::size_t>(std::ranges::count_if(
      cell, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool has_column(const Line& line, std::size_t column) { return column + 1 < line.size(); }

class Aligner {
 public:
  // `kept`: null, or the widths of the tables before, which grow with this one's.
  Aligner(std::vector<Line> lines, std::size_t min_width, std::size_t padding, ColumnWidths* kept)
      : lines_(std::move(lines)),
        widths_(lines_.size()),
        min_width_(min_width),
        padding_(padding),
        kept_(kept) {}

  std::string text() {
    measure(0, lines_.size(), 0);
    std::string text;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      for (std::size_t column = 0; column < lines_[i].size(); ++column) {
        const std::string_view cell = lines_[i][column];
        text += cell;
        if (has_column(lines_[i], column)) text.append(widths_[i][column] - width_of(cell), ' ');
      }
      if (i + 1 < lines_.size()) text += '\n';
    }
    return text;
  }

 private:
  // Measures `column` and those right of it, in each run of lines that have it.
  void measure(std::size_t begin, std::size_t end, std::size_t column) {
    for (std::size_t i = begin; i < end; ++i) {
      if (!has_column(lines_[i], column)) continue;
      std::size_t last = i;
      std::size_t widest = 0;
      for (; last < end && has_column(lines_[last], column); ++last) {
        widest = std::max(widest, width_of(lines_[last][column]));
      }
      const std::size_t width = kept(column, std::max(widest + padding_, min_width_));
      for (std::size_t line = i; line < last; ++line) widths_[line].push_back(width);
      measure(i, last, column + 1);
      i = last;
    }
  }

  std::size_t kept(std::size_t column, std::size_t width) {
    if (!kept_) return width;
    if (kept_->size() <= column) kept_->resize(column + 1);
    return (*kept_)[column] = std::max((*kept_)[column], width);
  }

  std::vector<Line> lines_;
  std::vector<std::vector<std::size_t>> widths_;
  std::size_t min_width_;
  std::size_t padding_;
  ColumnWidths* kept_;
};

std::string aligned(std::string_view text, std::size_t min_width, std::size_t padding,
                    ColumnWidths* kept) {
  std::vector<Line> lines;
  for (std::string_view line : split(text, '\n')) lines.push_back(split(line, '\t'));
  return Aligner(std::move(lines), min_width, padding, kept).text();
}

}  // namespace

std::string align(std::string_view text, std::size_t min_width, std::size_t padding) {
  return aligned(text, min_width, padding, nullptr);
}

std::string align(std::string_view text, std::size_t min_width, std::size_t padding,
                  ColumnWidths& widths) {
  return aligned(text, min_width, padding, &widths);
}

}  // namespace claimfs::cli
