#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace claimfs::fs {

// What a thread that waits for an answer has been told meanwhile. Sets of signals, with signal
// number n as bit n - 1, as /proc/TID/status writes them.
struct CallerSignals {
  bool is_there = false;    // false: it has ended, and waits for nothing
  bool is_exiting = false;  // it closes its files
  std::uint64_t pending = 0;
  std::uint64_t blocked = 0;
  std::uint64_t ignored = 0;
  std::uint64_t caught = 0;
};

// How much longer it may be kept waiting.
enum class Patience {
  Waits,      // nothing that came ends it. PostgreSQL's processes signal each other all the time
  AsksToEnd,  // until it has waited for long: it exits, or it catches SIGINT, SIGTERM, SIGHUP or
              // SIGQUIT, which somebody sends who wants it to end
  Ends,       // it ends as soon as it is answered
};
Patience patience_of(const CallerSignals& caller);
// Whether the kernel would tell of it while it waits: it has ended, or a signal came that it has
// not blocked.
bool is_signalled(const CallerSignals& caller);

// From the text of /proc/TID/status and /proc/TID/stat.
CallerSignals read_signals(std::string_view status, std::string_view stat);
// Reads both. `tid` as the kernel gives it with a request: 0, a thread of a pid namespace that is
// not ours or below, is there and was told nothing. About 20 microseconds.
CallerSignals signals_of(pid_t tid);

}  // namespace claimfs::fs
