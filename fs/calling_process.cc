#include "fs/calling_process.h"

#include <linux/capability.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace claimfs::fs {

namespace {

std::filesystem::path proc(pid_t pid) { return "/proc/" + std::to_string(pid); }

// The words after the label in /proc/PID/status; empty when there is no such process or label.
std::istringstream status_words(pid_t pid, std::string_view label) {
  std::ifstream status(proc(pid) / "status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(label)) return std::istringstream(line.substr(label.size()));
  return {};
}

}  // namespace

bool is_in_group(pid_t pid, gid_t group) {
  std::istringstream words = status_words(pid, "Groups:");
  for (gid_t member = 0; words >> member;)
    if (member == group) return true;
  return false;
}

bool may_administer(pid_t pid) {
  std::uint64_t effective = 0;
  if (!(status_words(pid, "CapEff:") >> std::hex >> effective)) return false;
  if ((effective >> CAP_SYS_ADMIN & 1) == 0) return false;
  std::error_code theirs_failed;
  std::error_code ours_failed;
  const auto theirs = std::filesystem::read_symlink(proc(pid) / "ns/user", theirs_failed);
  const auto ours = std::filesystem::read_symlink("/proc/self/ns/user", ours_failed);
  return !theirs_failed && !ours_failed && theirs == ours;
}

}  // namespace claimfs::fs
