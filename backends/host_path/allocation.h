#pragma once

#include <sys/types.h>

#include <cstdint>

namespace claimfs::backends::host_path {

// How many bytes from `offset` on, up to `length`, have blocks of the file's own, so that writing
// there takes no space: mapped, preallocated or waiting to be written back. Shared extents have
// not. `descriptor` is not an O_PATH one. Filesystems that do not tell (no FIEMAP) are asked where
// their holes are.
std::uint64_t allocated_prefix(int descriptor, off_t offset, std::uint64_t length);

}  // namespace claimfs::backends::host_path
