#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.h"

namespace claimfs::cli {

// A running `claimfs mount`, held so that its pid cannot become another's.
class Daemon {
 public:
  Daemon(pid_t pid, Fd process) : pid_(pid), process_(std::move(process)) {}

  pid_t pid() const { return pid_; }
  // Waits until the process has ended; false when the time is over first.
  bool wait_for_end(std::chrono::milliseconds timeout) const;

 private:
  pid_t pid_;
  Fd process_;  // a pidfd
};

// Whether a process is a daemon as daemons_of() finds it.
bool is_daemon_of(pid_t pid, const std::string& mount_point);

// The daemons whose command line has claimfs first and this mount point, an absolute path, as a
// word. Whoever mounts makes it so.
std::vector<Daemon> daemons_of(const std::string& mount_point);

}  // namespace claimfs::cli
