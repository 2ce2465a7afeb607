#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"

namespace claimfs::cli {

// What `-o` may say, sorted by who it is for.
struct MountWords {
  std::string fs_name = "claimfs";
  bool may_hide = false;            // nonempty: the mount point may have something in it
  std::vector<std::string> kernel;  // ro, noexec, …: as given
};

// `words` as split at commas. What fstab has for others (defaults, nofail, x-…) and what is so
// anyway (allow_other, default_permissions) is accepted; what nobody knows is a usage error that
// names it.
Outcome<MountWords> sort_mount_options(const std::vector<std::string>& words);

}  // namespace claimfs::cli
