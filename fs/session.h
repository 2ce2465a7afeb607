#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fs/filesystem.h"

namespace claimfs::fs {

struct MountOptions {
  std::string mount_point;           // absolute
  std::string fs_name = "claimfs";   // shown as the mount's source
  std::vector<std::string> options;  // the user's -o words, ours and the kernel's
};

// One FUSE mount and the threads that serve it.
class Session {
 public:
  // Runs what it is given without CAP_FSETID.
  using Unprivileged = std::function<void(const std::function<void()>&)>;

  // Mounts. Errors carry what to do: ENODEV no /dev/fuse, EPERM, EINVAL an option that nobody
  // knows.
  static Result<std::unique_ptr<Session>> mount(const MountOptions& options, Filesystem& filesystem,
                                                Unprivileged unprivileged);

  virtual ~Session() = default;

  // Starts to serve and returns. Requests are answered from now on.
  virtual void start() = 0;
  // Waits until the mount has gone, by umount or stop(), and all workers have come back, or hang in
  // a dead backend for longer than a few seconds. False in that case: the process should end
  // without destroying anything.
  virtual bool wait() = 0;
  // Unmounts and ends the workers; when it is in use lazily, and then they go on until the last
  // user has gone. A second time it ends them at once. From any thread that is not a worker.
  virtual void stop() = 0;

  // The kernel looks a name of the tree's own directories up again before it uses it. An empty name
  // means the namespace itself. Not from a worker.
  virtual void expire_claim(std::string_view name_space, std::string_view claim) = 0;

  virtual std::size_t workers() const = 0;
};

}  // namespace claimfs::fs
