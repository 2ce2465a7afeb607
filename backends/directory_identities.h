#pragma once

#include <string>
#include <vector>

#include "volumes/volume.h"

namespace claimfs::backends {

// What the directory behind a volume is, and then each one above it: "device:inode" of what is
// there, by path where nothing is yet. Bind mounts and symlinks do not hide that two volumes are
// one directory. Empty for volumes that are none. Blocks as stat does.
std::vector<std::string> directory_identities(const volumes::Volume& volume);

}  // namespace claimfs::backends
