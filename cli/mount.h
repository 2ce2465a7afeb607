#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/failure.h"
#include "cli/mount_options.h"

namespace claimfs::cli {

struct MountArguments {
  std::string mount_point;
  MountWords options;
  bool foreground = false;
  bool read_only = false;
};

// `claimfs mount`. Without `foreground` the calling process returns when the mount answers and
// leaves a daemon behind; nothing is left mounted when the status is not Done. `flags` are read
// again at SIGHUP; `manifests` go before what the configuration says. Called before the process has
// threads, a store or a log.
Outcome<ExitStatus> mount(const GlobalFlags& flags, const std::vector<std::string>& manifests,
                          MountArguments arguments);

}  // namespace claimfs::cli
