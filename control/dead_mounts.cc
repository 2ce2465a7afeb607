#include "control/dead_mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include <spdlog/spdlog.h>

#include "base/fd.h"
#include "base/guarded.h"

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

// fusectl may not be mounted yet; then nothing can be said before it is. Held open, so that it
// stays the same one: mounted anew it would know every connection by another inode.
bool can_see_connections() {
  static Guarded<Fd> kHeld;
  return kHeld.with([](Fd& held) {
    if (held) return true;
    struct statfs state {};
    const auto open = [&] {
      Fd directory(::open(kConnections, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!directory || ::fstatfs(directory.get(), &state) != 0 || state.f_type != kFusectlMagic)
        return false;
      held = std::move(directory);
      return true;
    };
    return open() || (::mount("none", kConnections, "fusectl", 0, nullptr) == 0 && open());
  });
}

// What a connection is known by while it lasts, beside its number, which is given again; empty when
// there is none.
std::string identity_of(unsigned connection) {
  const std::string path = std::string(kConnections) + "/" + std::to_string(connection);
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return std::to_string(found.st_ino) + "." + std::to_string(found.st_ctim.tv_sec) + "." +
         std::to_string(found.st_ctim.tv_nsec);
}

bool has_kernel_ended(const std::string& passthrough, const UnmountDead& unmount) {
  // Connections that we have seen alive: another one under their number is not them. Of what we
  // have not, fusectl may have been mounted anew since.
  static Guarded<std::set<std::string>> kSeen;
  std::istringstream words(passthrough);
  unsigned connection = 0;
  std::string boot, identity;
  words >> connection >> boot >> identity >> std::ws;
  std::string mount_point;
  std::getline(words, mount_point);
  if (boot != this_boot()) return true;
  if (!can_see_connections()) return false;
  const auto has_ended = [&] {
    const std::string now = identity_of(connection);
    return now.empty() || kSeen.with([&](auto& seen) {
      if (now == identity) seen.insert(passthrough);
      return now != identity && seen.contains(passthrough);
    });
  };
  if (has_ended()) return true;
  if (unmount) unmount(mount_point, connection);
  return has_ended();
}

}  // namespace

std::string passthrough_word(unsigned connection, const std::string& mount_point) {
  const std::string identity = can_see_connections() ? identity_of(connection) : "";
  return std::to_string(connection) + " " + this_boot() + " " +
         (identity.empty() ? "unknown" : identity) + " " + mount_point;
}

Result<bool> remove_dead_attachments(store::Store& store, Mirror& mirror,
                                     const UnmountDead& unmount) {
  const auto& mounts = mirror.world().mounts();
  std::vector<Attachment> dead;
  for (const auto& [name, attachment] : mirror.world().attachments()) {
    if (!attachment.is_held() && !mounts.contains(attachment.mount)) dead.push_back(attachment);
  }
  bool are_some_draining = false;
  for (const Attachment& attachment : dead) {
    const volumes::ObjectKey key{Kind::Attachment, "", attachment.metadata.name};
    if (attachment.passthrough.empty() || has_kernel_ended(attachment.passthrough, unmount)) {
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
