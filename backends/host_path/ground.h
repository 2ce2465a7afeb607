#pragma once

#include <memory>

#include "backends/ground.h"

namespace claimfs::backends {

// The directories of this host.
std::unique_ptr<Ground> host_path_ground();

}  // namespace claimfs::backends
