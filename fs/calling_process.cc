#include "fs/calling_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "fs/pod_cgroup.h"

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

std::string pod_of(pid_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/cgroup", static_cast<int>(pid));
  const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return "";
  // The kernel gives all of it at once, as far as there is room: a line for each hierarchy.
  std::array<char, 16384> text;
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  if (size <= 0) return "";
  return pod_uid_of_cgroups({text.data(), static_cast<std::size_t>(size)});
}

bool has_processes(const std::string& pod_uid) {
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(::opendir("/proc"), ::closedir);
  if (!processes) return true;
  while (const dirent* entry = ::readdir(processes.get())) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || rest != name.data() + name.size()) continue;
    if (pod_of(pid) == pod_uid) return true;
  }
  return false;
}

}  // namespace claimfs::fs
