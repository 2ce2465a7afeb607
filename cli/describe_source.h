#pragma once

#include <string>

#include "volumes/object.h"

namespace claimfs::cli {

// The lines below `Source:` for the source in a volume's spec, cells ended by tabs.
std::string source_lines(const volumes::Json& spec);

}  // namespace claimfs::cli
