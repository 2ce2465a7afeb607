#include "cli/mount_options.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace claimfs::cli {
namespace {

// Source: mount(8), filesystem-independent options; those that libfuse takes.
constexpr std::array<std::string_view, 21> kKernel = {
    "ro",         "rw",         "suid",        "nosuid",        "dev",
    "nodev",      "exec",       "noexec",      "async",         "sync",
    "dirsync",    "atime",      "noatime",     "diratime",      "nodiratime",
    "relatime",   "norelatime", "strictatime", "nostrictatime", "symfollow",
    "nosymfollow"};
constexpr std::array<std::string_view, 7> kForOthers = {
    "defaults", "auto", "noauto", "nofail", "_netdev", "allow_other", "default_permissions"};
constexpr std::string_view kFsName = "fsname=";

bool contains(const auto& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

}  // namespace

Outcome<MountWords> sort_mount_options(const std::vector<std::string>& words) {
  MountWords sorted;
  for (const std::string& word : words) {
    if (word.starts_with(kFsName) && word.size() > kFsName.size()) {
      sorted.fs_name = word.substr(kFsName.size());
    } else if (word == "nonempty") {
      sorted.may_hide = true;
    } else if (contains(kKernel, word)) {
      sorted.kernel.push_back(word);
    } else if (!contains(kForOthers, word) && !word.starts_with("x-")) {
      return fail(ExitStatus::Usage,
                  "error: unknown mount option \"" + word + "\": see claimfs(1), MOUNT OPTIONS");
    }
  }
  return sorted;
}

}  // namespace claimfs::cli
