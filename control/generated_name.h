#pragma once

#include <string>

namespace claimfs::control {

// A name that begins with `prefix`, cut so that all fits into 63 characters, and ends with five
// random ones. Source: apiserver pkg/storage/names/generate.go; apimachinery util/rand.
std::string generated_name(std::string prefix);

}  // namespace claimfs::control
