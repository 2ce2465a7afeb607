#include "backends/nfs/identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/fd.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

namespace {

constexpr auto kTrust = std::chrono::milliseconds(100);
constexpr std::size_t kMostProcesses = 256;

// /proc/PID/status; empty when there is no such process to see.
std::string status_of(pid_t pid) {
  if (pid <= 0) return {};
  const std::string path = "/proc/" + std::to_string(pid) + "/status";
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string text(64 * 1024, '\0');  // tens of thousands of groups are cut: sixteen are wanted
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

// What stands behind "\nFIELD:\t", to the end of its line.
std::string_view field(std::string_view status, std::string_view name) {
  const std::size_t at = status.find(name);
  if (at == std::string_view::npos) return {};
  status.remove_prefix(at + name.size());
  return status.substr(0, status.find('\n'));
}

void fill_groups(Identity& identity) {
  identity.groups = {};
  identity.group_count = 0;
  const std::string status = status_of(identity.pid);
  std::string_view numbers = field(status, "\nGroups:\t");
  while (!numbers.empty() && identity.group_count < Identity::kMostGroups) {
    std::uint32_t group = 0;
    const auto [end, error] =
        std::from_chars(numbers.data(), numbers.data() + numbers.size(), group);
    if (error != std::errc()) break;
    identity.groups[identity.group_count++] = group;
    numbers.remove_prefix(static_cast<std::size_t>(end - numbers.data()));
    while (numbers.starts_with(' ')) numbers.remove_prefix(1);
  }
}

struct Known {
  Identity identity;
  std::chrono::steady_clock::time_point until;
};

Guarded<std::unordered_map<pid_t, Known>>& known() {
  static Guarded<std::unordered_map<pid_t, Known>> all;
  return all;
}

void remember(const Identity& identity) {
  const auto until = std::chrono::steady_clock::now() + kTrust;
  known().with([&](auto& all) {
    if (all.size() >= kMostProcesses) all.clear();
    all[identity.pid] = {identity, until};
  });
}

}  // namespace

Identity identity_of(const Caller& caller) {
  Identity identity;
  identity.uid = caller.uid;
  identity.gid = caller.gid;
  identity.pid = caller.pid;
  if (caller.pid <= 0) return identity;
  const auto now = std::chrono::steady_clock::now();
  const bool is_known = known().with([&](const auto& all) {
    const auto found = all.find(caller.pid);
    if (found == all.end() || found->second.until < now) return false;
    identity.groups = found->second.identity.groups;
    identity.group_count = found->second.identity.group_count;
    return true;
  });
  if (is_known) return identity;
  fill_groups(identity);
  remember(identity);
  return identity;
}

bool look_up_groups_anew(Identity& identity) {
  Identity anew = identity;
  fill_groups(anew);
  if (is_same(anew, identity)) return false;
  identity = anew;
  remember(identity);
  return true;
}

}  // namespace claimfs::backends::nfs
