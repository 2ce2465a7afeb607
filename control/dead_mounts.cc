#include "control/dead_mounts.h"

#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include <spdlog/spdlog.h>

namespace claimfs::control {
namespace {

using volumes::Attachment;
using volumes::Kind;
using volumes::Object;

constexpr const char* kConnections = "/sys/fs/fuse/connections";
constexpr long kFusectlMagic = 0x65735543;  // linux/magic.h

const std::string& this_boot() {
  static const std::string kBoot = [] {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
  }();
  return kBoot;
}

// fusectl may not be mounted yet; then nothing can be said before it is.
bool can_see_connections() {
  struct statfs state {};
  const auto is_mounted = [&state] {
    return ::statfs(kConnections, &state) == 0 && state.f_type == kFusectlMagic;
  };
  return is_mounted() ||
         (::mount("none", kConnections, "fusectl", 0, nullptr) == 0 && is_mounted());
}

// A connection's number is given again: one that a live mount has is not the dead one's.
bool has_kernel_ended(const std::string& passthrough, const std::set<unsigned>& live,
                      const UnmountDead& unmount) {
  std::istringstream words(passthrough);
  unsigned connection = 0;
  std::string boot;
  words >> connection >> boot >> std::ws;
  std::string mount_point;
  std::getline(words, mount_point);
  if (boot != this_boot() || live.contains(connection)) return true;
  const std::string path = std::string(kConnections) + "/" + std::to_string(connection);
  const auto is_there = [&path] { return ::access(path.c_str(), F_OK) == 0; };
  if (!can_see_connections()) return false;
  if (!is_there()) return true;
  if (unmount) unmount(mount_point, connection);
  return !is_there();
}

}  // namespace

std::string passthrough_word(unsigned connection, const std::string& mount_point) {
  return std::to_string(connection) + " " + this_boot() + " " + mount_point;
}

Result<bool> remove_dead_attachments(store::Store& store, Mirror& mirror,
                                     const UnmountDead& unmount) {
  const auto& mounts = mirror.world().mounts();
  std::set<unsigned> live;
  for (const auto& [name, mount] : mounts) live.insert(mount.connection);
  std::vector<Attachment> dead;
  for (const auto& [name, attachment] : mirror.world().attachments()) {
    if (!attachment.is_held() && !mounts.contains(attachment.mount)) dead.push_back(attachment);
  }
  bool are_some_draining = false;
  for (const Attachment& attachment : dead) {
    const volumes::ObjectKey key{Kind::Attachment, "", attachment.metadata.name};
    if (attachment.passthrough.empty() || has_kernel_ended(attachment.passthrough, live, unmount)) {
      const auto removed = store.remove(key, "");
      if (!removed && removed.error().code != ENOENT) return failure(removed.error());
      if (mirror.find(key)) mirror.erase(key);
      spdlog::info("attachment=ended attachment={} reason=\"its mount is gone\"", key.name);
      continue;
    }
    are_some_draining = true;
    if (attachment.is_draining) continue;
    Object draining = *mirror.find(key);
    draining.document["status"]["draining"] = true;
    if (auto stored = store.update(draining)) mirror.put(std::move(*stored));
  }
  return are_some_draining;
}

}  // namespace claimfs::control
