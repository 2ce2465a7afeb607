#pragma once

#include <ctime>
#include <mutex>
#include <optional>

#include "backends/nfs/change_stamp.h"
#include "backends/nfs/ticket.h"

namespace claimfs::backends::nfs {

// Which state of a file the pages show that the kernel has cached of it, where others may change it
// too. Whoever opens a file is to see what was there when it was last closed anywhere
// (close-to-open, as nfs(5) has it): the kernel keeps its pages from one open to the next while the
// file's times and size stay the same, and drops them otherwise.
//
// A time tells less than it seems: what changes a file twice within a tick of the server's clock
// leaves the same one. So of a file that may have changed just before it was opened only pages
// count that were read a tick later. Linux' client does not look after that. Synchronises itself.
class CachedPages {
 public:
  // One open: what the server said of the file then, and when.
  class Open {
   public:
    // `wall` is the same moment by the clock that times of files are of.
    Open(const Attributes& told, Clock::time_point at, const timespec& wall);
    const ChangeStamp& stamp() const { return stamp_; }
    Clock::time_point at() const { return at_; }
    // When the server's clock shows other times than those.
    Clock::time_point settled_at() const { return settled_at_; }

   private:
    ChangeStamp stamp_;
    Clock::time_point at_;
    Clock::time_point settled_at_;
  };

  // Whether the kernel may keep what it has. Otherwise it drops that when it hears of the open.
  bool may_keep(const Open& open);
  // It has dropped what it had: it asks for something by an open that was told no.
  void dropped(const Open& open);

 private:
  std::mutex mutex_;
  std::optional<Open> first_;                     // that saw the file as it is
  std::optional<Clock::time_point> pages_since_;  // the oldest, of those that show it so
};

}  // namespace claimfs::backends::nfs
