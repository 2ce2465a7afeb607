#pragma once

#include <string>
#include <string_view>

namespace claimfs::volumes {

// How two texts differ, line by line with three lines around: `@@ -1,5 +1,5 @@`, then lines that
// begin with a blank, `-` or `+`; empty when they do not. No names of files above it.
// Source: Kubernetes' apimachinery/util/diff, which is Python's difflib; its choice among equally
// short differences is kept (longest common run first, then what is left and right of it).
std::string unified_diff(std::string_view before, std::string_view after);

}  // namespace claimfs::volumes
