#include "cli/daemon_search.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/process_ids.h"

namespace claimfs::cli {

bool Daemon::wait_for_end(std::chrono::milliseconds timeout) const {
  pollfd entry{.fd = process_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, static_cast<int>(timeout.count())) > 0;
}

bool is_daemon_of(pid_t pid, const std::string& mount_point) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::string word;
  if (!std::getline(file, word, '\0') || std::filesystem::path(word).filename() != "claimfs")
    return false;
  while (std::getline(file, word, '\0')) {
    if (word == mount_point) return true;
  }
  return false;
}

std::vector<Daemon> daemons_of(const std::string& mount_point) {
  std::vector<Daemon> daemons;
  for (const pid_t pid : other_processes()) {
    // The descriptor first: what is read afterwards is of that very process.
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (process && is_daemon_of(pid, mount_point)) daemons.emplace_back(pid, std::move(process));
  }
  return daemons;
}

}  // namespace claimfs::cli
