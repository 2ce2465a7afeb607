#pragma once

#include <string>

namespace claimfs::cli {

// `claimfs 0.1.0 (libfuse 3.18.3, …)`, one line.
std::string version_text();

}  // namespace claimfs::cli
