#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// Which directories are opened next, so that the server can be asked for them before: who walks
// through a tree opens the directories of a listing in its order. Left alone while that is not so.
// Thread-safe.
class NextDirectories {
 public:
  static constexpr std::size_t kAhead = 2;  // a server that is further away than one takes to read
  static constexpr std::size_t kMost = 4096;  // that are known; then all are forgotten

  // What was listed together has these, in this order.
  void listed(std::span<const FileHandle> directories);
  // This one is opened: those that are worth asking for now, each once until it is opened.
  std::vector<FileHandle> opened(const FileHandle& directory);
  // One that was asked for was opened soon enough, or was not.
  void was_right();
  void was_wrong();

 private:
  static constexpr int kMostTrust = 8;
  static constexpr int kDisappointment = 2;
  static constexpr unsigned kTryAgain = 32;

  struct Place {
    FileHandle next;           // empty: none is known
    bool is_expected = false;  // the one before it was opened
    bool is_asked_for = false;
  };

  std::mutex mutex_;
  // The rest is guarded by it.
  ByHandle<Place> places_;
  int trust_ = kMostTrust / 2;
  unsigned left_out_ = 0;
};

}  // namespace claimfs::backends::nfs
