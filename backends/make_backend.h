#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/backend.h"
#include "volumes/volume.h"

namespace claimfs::backends {

// The backend for a volume's source. `refusal` is why the volume cannot be mounted on this node at
// all; then, and for sources that are not served, start() fails with Kubernetes' text.
std::unique_ptr<Backend> make_backend(const volumes::Volume& volume, CapacityOptions capacity,
                                      std::optional<std::string> refusal);

}  // namespace claimfs::backends
