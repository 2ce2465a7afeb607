#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends::host_path {

// The mounts that a volume spans (its root's, and what the host has mounted below), and the handles
// of files on them. Thread-safe.
class Mounts {
 public:
  // The mount of the volume's root. Blocks as open(2) does.
  Result<void> add_root(int root_descriptor);
  // Forgets them all. No key is used any more.
  void clear();

  // The key of a file: by name in a directory, or of a descriptor itself when `name` is empty.
  // EOPNOTSUPP when its filesystem has no handles that can be opened again; ENOENT, … as the system
  // call says.
  Result<std::string> key_of(int directory_or_file, const char* name);

  // Opens a file again. ESTALE when it is gone.
  Result<Fd> open(std::string_view key, int flags) const;

 private:
  struct Mount {
    int id = 0;     // name_to_handle_at's
    Fd descriptor;  // open_by_handle_at's: not an O_PATH one
  };
  Result<std::uint16_t> number_of(int mount_id, int directory_or_file, const char* name);

  mutable std::shared_mutex mutex_;
  std::vector<Mount> mounts_;  // a key's mount number is its place
};

// What identifies a filesystem for st_ino: its own id, which survives restarts and tells btrfs
// subvolumes apart; st_dev where it has none. `path_descriptor` is any file on it.
std::uint64_t device_identity(dev_t device, int path_descriptor);

}  // namespace claimfs::backends::host_path
