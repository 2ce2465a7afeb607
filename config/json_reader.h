#pragma once

#include <string>
#include <string_view>

#include "config/yaml_reader.h"

namespace claimfs::config {

// Reads JSON values one behind the other, with the limits and complaints of YAML. `first_line` is
// where `text` begins. False: it is not JSON; the last complaint says why.
bool read_json(std::string_view text, int first_line, const std::string& file_name,
               const Limits& limits, Documents& into);

}  // namespace claimfs::config
