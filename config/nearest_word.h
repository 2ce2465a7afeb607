#pragma once

#include <span>
#include <string_view>

namespace claimfs::config {

// The candidate with the fewest single-letter changes from `word`; the first of equals, empty
// without candidates.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace claimfs::config
