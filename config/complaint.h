#pragma once

#include <string>

namespace claimfs::config {

// One thing that is wrong with a file, for a person to correct.
struct Complaint {
  std::string file;
  int line = 0;  // from 1
  std::string what;

  std::string text() const {
    return file + ":" + std::to_string(line) + ": " + what;
  }  // FILE:LINE: what
};

}  // namespace claimfs::config
