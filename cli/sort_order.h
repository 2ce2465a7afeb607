#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "volumes/object.h"

namespace claimfs::cli {

// Whether `left` comes first where the digits of a text count as numbers: "pv-9" before "pv-10",
// and "9" before "09". Times of RFC 3339 come out in their order.
bool is_naturally_less(std::string_view left, std::string_view right);

// Sorts by the value at a JSONPath, as --sort-by does: numbers as numbers, quantities by size when
// all are quantities, other texts naturally. Objects without the value come first; an error when
// no object has it. Source: kubectl pkg/cmd/get/sorter.go.
Outcome<void> sort_by(std::vector<volumes::Object>& objects, const std::string& path);

}  // namespace claimfs::cli
