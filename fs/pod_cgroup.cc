#include "fs/pod_cgroup.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace claimfs::fs {
namespace {

constexpr std::string_view kKubepods = "kubepods";
constexpr std::string_view kPod = "pod";
constexpr std::string_view kSlice = ".slice";
constexpr std::array<std::string_view, 2> kQualities = {"burstable", "besteffort"};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// A uid is a UUID; a static pod's, which is a hash of its manifest, has no dashes.
bool is_uid(std::string_view text) {
  if (text.size() == 32) return std::ranges::all_of(text, is_hex);
  if (text.size() != 36) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
    if (is_dash ? text[at] != '-' : !is_hex(text[at])) return false;
  }
  return true;
}

bool is_quality(std::string_view text) {
  return std::ranges::find(kQualities, text) != kQualities.end();
}

// kubepods[/QUALITY]/podUID; a guaranteed pod's has no QUALITY.
std::string cgroupfs_pod(const std::vector<std::string_view>& path, std::size_t at) {
  const bool is_below = (at >= 1 && path[at - 1] == kKubepods) ||
                        (at >= 2 && path[at - 2] == kKubepods && is_quality(path[at - 1]));
  if (!is_below || !path[at].starts_with(kPod)) return "";
  const std::string_view uid = path[at].substr(kPod.size());
  return is_uid(uid) ? std::string(uid) : "";
}

std::optional<std::string_view> slice_name(std::string_view component) {
  if (!component.ends_with(kSlice)) return {};
  return component.substr(0, component.size() - kSlice.size());
}

// "kubepods" or "WHATEVER-kubepods", with a "-QUALITY" or none.
bool is_kubepods_slice(std::string_view name) {
  for (const std::string_view quality : kQualities) {
    if (name.size() > quality.size() && name.ends_with(quality) &&
        name[name.size() - quality.size() - 1] == '-') {
      name.remove_suffix(quality.size() + 1);
      break;
    }
  }
  if (!name.ends_with(kKubepods)) return false;
  name.remove_suffix(kKubepods.size());
  return name.empty() || name.ends_with('-');
}

// PARENT.slice/PARENT-podUID.slice: a slice's name repeats those above it, and since a dash there
// is a level, the uid's are underscores.
std::string systemd_pod(const std::vector<std::string_view>& path, std::size_t at) {
  if (at == 0) return "";
  const auto parent = slice_name(path[at - 1]);
  const auto name = slice_name(path[at]);
  if (!parent || !name || !is_kubepods_slice(*parent) || !name->starts_with(*parent)) return "";
  const std::string_view rest = name->substr(parent->size());
  if (!rest.starts_with("-pod")) return "";
  std::string uid(rest.substr(kPod.size() + 1));
  std::ranges::replace(uid, '_', '-');
  return is_uid(uid) ? uid : "";
}

std::string pod_uid_of_path(std::string_view text) {
  const std::vector<std::string_view> path = split(text, '/');
  // systemd gives users the cgroups below theirs: they could make themselves any pod's process.
  if (!path.empty() && path.front() == "user.slice") return "";
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (std::string uid = cgroupfs_pod(path, at); !uid.empty()) return uid;
    if (std::string uid = systemd_pod(path, at); !uid.empty()) return uid;
  }
  return "";
}

}  // namespace

std::string pod_uid_of_cgroups(std::string_view text) {
  // HIERARCHY:CONTROLLERS:PATH. Of many hierarchies (v1) some may not be the kubelet's.
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    if (std::string uid = pod_uid_of_path(line.substr(second + 1)); !uid.empty()) return uid;
  }
  return "";
}

}  // namespace claimfs::fs
