#include "cli/process_ids.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>

namespace claimfs::cli {

std::vector<pid_t> other_processes() {
  std::vector<pid_t> pids;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t pid = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc() && rest == name.data() + name.size() && pid != ::getpid())
      pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

}  // namespace claimfs::cli
