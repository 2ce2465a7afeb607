#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/backend.h"
#include "volumes/access_modes.h"
#include "volumes/nfs_options.h"
#include "volumes/volume.h"

namespace claimfs::backends {

// How a claim's volume is mounted, beside what the volume says.
struct Mounting {
  CapacityOptions capacity{};
  // Why the volume cannot be mounted on this node at all.
  std::optional<std::string> refusal{};
  volumes::AccessModes claim_modes{};
  volumes::NfsDefaults nfs{};
  ReportIncident report{};
};

// The backend for a volume's source. Where it is refused, by `refusal`, for a source that is not
// served or for its mount options, start() fails with Kubernetes' text.
std::unique_ptr<Backend> make_backend(const volumes::Volume& volume, Mounting mounting);

}  // namespace claimfs::backends
