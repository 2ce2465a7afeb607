#include "volumes/unified_diff.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <vector>

namespace claimfs::volumes {
namespace {

constexpr std::size_t kAround = 3;

using Lines = std::vector<std::string_view>;

// Half open, of lines.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;

  std::size_t size() const { return end - begin; }
};
struct Run {
  std::size_t before = 0, after = 0, length = 0;
};
// Lines of both texts that belong together: the same in both, or one instead of the other.
struct Piece {
  Range before, after;
  bool is_same = false;
};

Lines lines_of(std::string_view text) {
  Lines lines;
  while (true) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

// The longest run of equal lines; of equally long ones the first in both.
Run longest_run(const Lines& before, const Lines& after, Range left, Range right) {
  Run best{left.begin, right.begin, 0};
  // By a line's place in `after`: how long the run is that ends there.
  std::map<std::size_t, std::size_t> lengths;
  for (std::size_t i = left.begin; i < left.end; ++i) {
    std::map<std::size_t, std::size_t> next;
    for (std::size_t j = right.begin; j < right.end; ++j) {
      if (before[i] != after[j]) continue;
      const auto shorter = j == right.begin ? lengths.end() : lengths.find(j - 1);
      const std::size_t length = shorter == lengths.end() ? 1 : shorter->second + 1;
      next[j] = length;
      if (length > best.length) best = {i + 1 - length, j + 1 - length, length};
    }
    lengths = std::move(next);
  }
  return best;
}

void find_runs(const Lines& before, const Lines& after, Range left, Range right,
               std::vector<Run>& runs) {
  const Run run = longest_run(before, after, left, right);
  if (run.length == 0) return;
  find_runs(before, after, {left.begin, run.before}, {right.begin, run.after}, runs);
  runs.push_back(run);
  find_runs(before, after, {run.before + run.length, left.end}, {run.after + run.length, right.end},
            runs);
}

std::vector<Piece> pieces_of(const Lines& before, const Lines& after) {
  std::vector<Run> runs;
  find_runs(before, after, {0, before.size()}, {0, after.size()}, runs);
  runs.push_back({before.size(), after.size(), 0});
  std::vector<Piece> pieces;
  std::size_t i = 0, j = 0;
  for (const Run& run : runs) {
    if (i < run.before || j < run.after) pieces.push_back({{i, run.before}, {j, run.after}, false});
    i = run.before + run.length;
    j = run.after + run.length;
    if (run.length > 0) pieces.push_back({{run.before, i}, {run.after, j}, true});
  }
  return pieces;
}

// Each group is printed under one heading: what is the same is cut to `kAround` lines at its ends.
std::vector<std::vector<Piece>> groups_of(std::vector<Piece> pieces) {
  const auto keep_end = [](Piece& piece) {
    const std::size_t kept = std::min(piece.before.size(), kAround);
    piece.before.begin = piece.before.end - kept;
    piece.after.begin = piece.after.end - kept;
  };
  const auto keep_begin = [](Piece& piece) {
    const std::size_t kept = std::min(piece.before.size(), kAround);
    piece.before.end = piece.before.begin + kept;
    piece.after.end = piece.after.begin + kept;
  };
  if (pieces.front().is_same) keep_end(pieces.front());
  if (pieces.back().is_same) keep_begin(pieces.back());
  std::vector<std::vector<Piece>> groups(1);
  for (Piece& piece : pieces) {
    if (piece.is_same && piece.before.size() > 2 * kAround) {
      Piece head = piece;
      keep_begin(head);
      groups.back().push_back(head);
      groups.emplace_back();
      keep_end(piece);
    }
    groups.back().push_back(piece);
  }
  return groups;
}

std::string range_text(Range range) {
  if (range.size() == 1) return std::to_string(range.begin + 1);
  // An empty range is named after the line before it.
  const std::size_t first = range.size() == 0 ? range.begin : range.begin + 1;
  return std::to_string(first) + "," + std::to_string(range.size());
}

void add_lines(std::string& text, char mark, const Lines& lines, Range range) {
  for (std::size_t i = range.begin; i < range.end; ++i) {
    text += mark;
    text += lines[i];
    text += '\n';
  }
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after) {
  if (before == after) return {};
  const Lines left = lines_of(before), right = lines_of(after);
  std::string text;
  for (const auto& group : groups_of(pieces_of(left, right))) {
    const Range old_lines{group.front().before.begin, group.back().before.end};
    const Range new_lines{group.front().after.begin, group.back().after.end};
    text += "@@ -" + range_text(old_lines) + " +" + range_text(new_lines) + " @@\n";
    for (const Piece& piece : group) {
      if (piece.is_same) {
        add_lines(text, ' ', left, piece.before);
      } else {
        add_lines(text, '-', left, piece.before);
        add_lines(text, '+', right, piece.after);
      }
    }
  }
  return text;
}

}  // namespace claimfs::volumes
