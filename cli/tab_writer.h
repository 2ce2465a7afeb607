#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace claimfs::cli {

// Aligns text whose cells end with a tab, as Go's text/tabwriter does: a column is as wide as the
// widest cell of the consecutive lines that have it; the last cell of a line belongs to no column.
// `padding` blanks follow the widest cell.
std::string align(std::string_view text, std::size_t min_width, std::size_t padding);

// The same for a table that is written bit by bit: a column is never narrower than it was before,
// which is what `widths` keeps from one call to the next.
using ColumnWidths = std::vector<std::size_t>;
std::string align(std::string_view text, std::size_t min_width, std::size_t padding,
                  ColumnWidths& widths);

}  // namespace claimfs::cli
