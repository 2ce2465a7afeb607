#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What `KIND[,KIND…] [NAME…]` or `KIND/NAME…` means.
struct Selection {
  std::vector<volumes::Kind> kinds;
  std::vector<volumes::ObjectKey> keys;  // empty: all of the kinds
};
Outcome<Selection> parse_selection(const std::vector<std::string>& words,
                                   const std::string& name_space);

// The same where names are required.
Outcome<std::vector<volumes::ObjectKey>> parse_names(const std::vector<std::string>& words,
                                                     const std::string& name_space);

}  // namespace claimfs::cli
