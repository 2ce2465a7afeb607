#include "cli/daemon_search.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/mount_point.h"

namespace claimfs::cli {
namespace {

bool serves(const std::filesystem::path& process, const std::string& mount_point) {
  std::ifstream file(process / "cmdline", std::ios::binary);
  std::string word;
  if (!std::getline(file, word, '\0') || std::filesystem::path(word).filename() != "claimfs")
    return false;
  while (std::getline(file, word, '\0')) {
    if (word == mount_point) return true;
  }
  return false;
}

}  // namespace

bool Daemon::wait_for_end(std::chrono::milliseconds timeout) const {
  pollfd entry{.fd = process_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, static_cast<int>(timeout.count())) > 0;
}

bool is_daemon_of(pid_t pid, const std::string& mount_point) {
  return serves("/proc/" + std::to_string(pid), mount_point);
}

std::vector<Daemon> daemons_of(const std::string& mount_point) {
  std::vector<Daemon> daemons;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t pid = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || rest != name.data() + name.size() || pid == ::getpid()) continue;
    // The descriptor first: what is read afterwards is of that very process.
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (process && serves(entry->path(), mount_point))
      daemons.emplace_back(pid, std::move(process));
  }
  return daemons;
}

}  // namespace claimfs::cli
