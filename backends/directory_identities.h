#pragma once

#include <string>
#include <vector>

#include "volumes/volume.h"

namespace claimfs::backends {

// What the directory behind a volume is, and then each one above it: "device:inode" of what is
// there, by path where nothing is yet. Bind mounts and symlinks do not hide that two volumes are
// one directory. Of an NFS volume "nfs:server:path", by the names that it gives them, and then each
// path above it. Empty for volumes that are none of these. Blocks as stat does.
std::vector<std::string> directory_identities(const volumes::Volume& volume);

}  // namespace claimfs::backends
