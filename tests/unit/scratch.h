#pragma once

#include <cstdlib>
#include <string>

namespace claimfs::tests {

// What mkdtemp makes a directory from: where the run keeps what it cleans up, else where a real
// filesystem is.
inline std::string scratch(const std::string& name) {
  const char* place = std::getenv("TMPDIR");
  return std::string(place ? place : "/var/tmp") + "/claimfs-" + name + "-XXXXXX";
}

}  // namespace claimfs::tests
