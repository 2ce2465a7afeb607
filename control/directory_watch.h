#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"

namespace claimfs::control {

// Tells when something in some directories has changed. Used by one thread, wake() apart.
class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::vector<std::string>& directories);

  // Waits until something changed and has been quiet for a moment (a second at most), wake() was
  // called, or `timeout` is over. True when something changed.
  bool wait(std::chrono::milliseconds timeout);
  void wake();

 private:
  // Directories that are not there yet are tried again at each wait, and what has been mounted or
  // put in a directory's place is found. True when there is such a one.
  bool watch_new();

  std::vector<std::string> directories_;
  std::set<int> watches_;
  Fd inotify_;
  Fd wake_;
};

}  // namespace claimfs::control
