#include "cli/version.h"

#include "claimfs_version.h"

namespace claimfs::cli {

std::string version_text() {
  return "claimfs " CLAIMFS_VERSION " (libfuse " CLAIMFS_LIBFUSE_VERSION ")\n";
}

}  // namespace claimfs::cli
