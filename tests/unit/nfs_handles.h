#pragma once

#include <string>

#include "backends/nfs/file_handle.h"

namespace claimfs::tests {

// A file handle of these bytes, as a server could give it.
inline backends::nfs::FileHandle handle(std::string bytes) {
  nfs_fh3 raw{};
  raw.data.data_len = static_cast<unsigned>(bytes.size());
  raw.data.data_val = bytes.data();
  return backends::nfs::FileHandle(raw);
}

}  // namespace claimfs::tests
