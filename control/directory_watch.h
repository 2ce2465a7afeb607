#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.h"

namespace claimfs::control {

// Tells when something in some directories has changed. Used by one thread, wake() apart.
class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::vector<std::string>& directories);

  // Waits until something changed and has been quiet for a moment, wake() was called, or `timeout`
  // is over.
  void wait(std::chrono::milliseconds timeout);
  void wake();

 private:
  // Directories that are not there yet are tried again at each wait.
  void watch_missing();

  std::vector<std::string> directories_;
  Fd inotify_;
  Fd wake_;
};

}  // namespace claimfs::control
