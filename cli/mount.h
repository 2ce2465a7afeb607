#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace claimfs::cli {

struct MountArguments {
  std::string mount_point;
  std::vector<std::string> options;  // the words of all -o, split at commas
  bool foreground = false;
  bool read_only = false;
};

// `claimfs mount`: returns the exit status. Without `foreground` the calling process returns when the mount answers and
// leaves a daemon behind; nothing is left mounted when the status is not 0.
int mount(const config::Config& config, const std::string& config_file, const MountArguments& arguments);

}  // namespace claimfs::cli
