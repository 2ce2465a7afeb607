#pragma once

#include <string>

namespace claimfs::control {

// A new random UUID (version 4), as Kubernetes gives every object.
std::string new_uid();

}  // namespace claimfs::control
