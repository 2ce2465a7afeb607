#pragma once

#include <functional>

#include "backends/usage_count.h"

namespace claimfs::backends::host_path {

// How many bytes a directory tree occupies, counted as du counts: blocks, every inode once, one
// filesystem.
Counted count_directory(int root, const std::function<bool()>& is_ending);

}  // namespace claimfs::backends::host_path
