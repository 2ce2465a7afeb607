#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"

namespace claimfs::cli {

// The person's editor: KUBE_EDITOR, EDITOR, or vi. What has blanks is a command with arguments;
// what has quotes as well is left to the shell.
class Editor {
 public:
  static Editor of_environment();

  // Opens the file in it and returns when it has ended. Ctrl-C and the like are the editor's while
  // it runs.
  Outcome<void> open(const std::string& file) const;

 private:
  std::vector<std::string> words_;
  std::string text_;
  bool by_shell_ = false;
};

// A file of its own in the temporary directory, readable by its owner alone. It stays until it is
// removed: what a person has written is not lost because we end.
class EditedFile {
 public:
  // `claimfs-edit-XXXXXX.yaml`.
  static Outcome<EditedFile> create(const std::string& suffix);

  const std::string& path() const { return path_; }
  Outcome<void> write(const std::string& text) const;
  Outcome<std::string> read() const;
  void remove() const;

 private:
  explicit EditedFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace claimfs::cli
