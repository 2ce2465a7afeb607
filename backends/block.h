#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backends/backend.h"

namespace claimfs::backends {

// A volume of volumeMode Block: a regular file or a block device of this host.
struct BlockOptions {
  std::string path;
  std::string type;       // HostPathType's words; "" checks nothing
  bool is_local = false;  // a local volume: the path must be there
  std::uint64_t capacity_bytes = 0;
};

// One regular file of the claim's capacity, read and written at the same offsets as the source, and
// never beyond. A source that is shorter reads as zeros from its end on, and grows by writes; its
// size is never changed otherwise: truncation to nothing is ignored, as by a block device, and any
// other change of size is EPERM. Completes inline. start() refuses what is neither a regular file
// nor a block device.
std::unique_ptr<Backend> make_block_backend(BlockOptions options);

}  // namespace claimfs::backends
