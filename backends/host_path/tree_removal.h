#pragma once

#include <deque>
#include <stop_token>
#include <string>
#include <vector>

#include "backends/ground.h"
#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends::host_path {

// Removes everything below one directory, by descriptors: a name is only ever looked up in a
// directory that is open, and what is opened must be a directory of the same mount and no symlink.
// A tree of any depth takes a bounded number of descriptors, one of any width bounded memory.
class TreeRemoval {
 public:
  // `root`: the directory, open for reading; `path`: what to call it.
  TreeRemoval(int root, std::string path, RemovalProgress& progress, std::stop_token stop)
      : root_(root), path_(std::move(path)), progress_(progress), stop_(std::move(stop)) {}

  Result<void> run();

 private:
  struct Level {
    std::string name;  // in the level above
    Fd directory;      // closed while far below it
    std::deque<std::string> left;  // directories that are not empty
    int empty_looks = 0;           // found nothing left, and yet it could not be removed
  };

  int directory() const { return levels_.empty() ? root_ : levels_.back().directory.get(); }
  std::string path_of(const std::string& name) const;
  std::deque<std::string>& left() { return levels_.empty() ? root_left_ : levels_.back().left; }

  Result<bool> remove_entries();
  Result<void> remove_entry(const char* name, bool is_directory);
  Result<void> descend(const std::string& name);
  Result<void> move_up(const std::string& name);
  Result<void> ascend();
  void count(const char* name);

  const int root_;
  const std::string path_;
  RemovalProgress& progress_;
  const std::stop_token stop_;
  std::deque<std::string> root_left_;
  std::vector<Level> levels_;
  int moved_up_ = 0;  // numbers the names of directories that were too deep
  int swaps_ = 0;     // directories that were something else when they were to be opened
};

// Opens a directory below an open one: of the same mount, no symlink on the way. EXDEV where
// another mount stands, ELOOP at a symlink.
Result<Fd> open_inside(int directory, const std::string& name);

}  // namespace claimfs::backends::host_path
