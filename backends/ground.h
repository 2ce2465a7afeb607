#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "volumes/nfs_options.h"

namespace claimfs::backends {

// What a removal has done so far. The caller reads it from another thread while it runs.
struct RemovalProgress {
  std::atomic<std::uint64_t> files{0};  // directories count, too
  std::atomic<std::uint64_t> bytes{0};  // of disk space; a file counts with its last name
};

// What volumes' directories stand on, as provisioning and reclaim change it. Paths are absolute.
// Every call blocks, can be made from any thread and again after a crash, and never touches
// anything outside of the path it is given, whatever has been planted inside or is planted while it
// runs: it follows no symlink and enters no mount. Errors say the path; ECANCELED: it was asked to
// stop.
class Ground {
 public:
  virtual ~Ground() = default;

  // Makes BASE/BELOW with exactly `mode`, and what is missing on the way to it. One that is there
  // stays as it is. On a share mode 0 sets none: 0755, and what the server and the directory around
  // it make of that.
  virtual Result<void> make_directory(const std::string& base, const std::string& below,
                                      mode_t mode) = 0;

  // Removes what is at the path and everything below; nothing there is success. A mount anywhere
  // in it is EBUSY, before anything is removed where it can be known.
  virtual Result<void> remove_tree(const std::string& path, RemovalProgress& progress,
                                   std::stop_token stop) = 0;

  // Empties a directory, and looks that it is. The directory stays, and may itself be a mount.
  virtual Result<void> scrub(const std::string& path, RemovalProgress& progress,
                             std::stop_token stop) = 0;

  // Removes the directories that the path's last component was in, from the last one up, for as
  // long as they are empty. A share's root and what is around it stay; on this host all do.
  virtual Result<void> remove_empty_parents(const std::string& /*path*/) { return {}; }

  // Gives what is at the path another name, one that is free: `name`, or that and a number. On this
  // host it is one in the same directory; in a share it is a path below the share, and what is
  // missing on the way to it is made. Nothing there is success, and an empty answer.
  virtual Result<std::string> archive(const std::string& path, const std::string& name) = 0;
};

// The ground that a share of an NFS server is: paths are the server's, and what is not below the
// share's path is refused.
using MakeNfsGround = std::function<std::unique_ptr<Ground>(volumes::NfsOptions share)>;

}  // namespace claimfs::backends
