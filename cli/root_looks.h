#pragma once

#include <memory>
#include <vector>

#include "fs/served_volume.h"

namespace claimfs::cli {

// Looks at the roots of these volumes, at several at the same time: one whose server is dead takes
// a second, and ten together no longer. Blocks until all have been seen, or not.
void look_at_roots(const std::vector<std::shared_ptr<fs::ServedVolume>>& volumes);

}  // namespace claimfs::cli
