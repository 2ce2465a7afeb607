#pragma once

#include <string>

#include "volumes/object.h"

namespace claimfs::config {

// `value` as `kubectl -o yaml` prints it, to the byte: go-yaml v2's block style, keys in its
// natural order, lists at their key's own column, lines folded behind column 80, quotes only where
// a reader of YAML 1.1 needs them. Ends with a newline.
std::string to_yaml(const volumes::Json& value);

}  // namespace claimfs::config
