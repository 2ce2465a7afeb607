#pragma once

#include <cstdint>

namespace claimfs::backends::nfs {

// The errors of one file's background writes, each told to every open once. Linux's rules
// (lib/errseq.c): an open hears of what failed since it was opened or last told, the latest of it;
// an error that nobody has been told yet is told to those who open the file after it, too.
class WriteErrors {
 public:
  // What an open has been told of.
  struct Cursor {
    std::uint64_t told = 0;
  };

  // At open(2).
  Cursor open() const { return {told_}; }
  // At fsync(2), close(2), or a write that was sent through: an errno, or 0.
  int tell(Cursor& cursor) {
    if (cursor.told == happened_) return 0;
    cursor.told = told_ = happened_;
    untold_bytes_ = 0;
    return latest_;
  }
  // That somebody ought to hear of, when the last open is gone: for the log.
  bool has_untold() const { return told_ != happened_; }
  std::uint64_t untold_bytes() const { return untold_bytes_; }
  int latest() const { return latest_; }  // 0: none

  // So much data was dropped.
  void happened(int errno_code, std::uint64_t bytes) {
    latest_ = errno_code;
    ++happened_;
    untold_bytes_ += bytes;
  }

 private:
  int latest_ = 0;
  std::uint64_t happened_ = 0;  // how many
  std::uint64_t told_ = 0;      // up to which anybody was told
  std::uint64_t untold_bytes_ = 0;
};

}  // namespace claimfs::backends::nfs
