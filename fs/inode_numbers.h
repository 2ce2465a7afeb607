#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "base/result.h"

namespace claimfs::fs {

// st_ino for the whole mount. One st_dev serves all claims, so a number must differ between backing
// filesystems, or tar and cp -a take different files for hard links (FUSE.md F7): the upper 16 bits
// are an index of the filesystem, the lower 48 its own number. Indices are kept in a file of the
// state directory, so that numbers survive a restart.
class InodeNumbers {
 public:
  // The tree's own directories; their numbers are used as they are.
  static constexpr std::uint64_t kTreeDevice = 0;

  // Reads what is there. An empty path keeps nothing (tests). EINVAL when the file is not ours.
  static Result<InodeNumbers> load(std::string file);

  // A number above 48 bits is folded: such filesystems (none of ext4, XFS and btrfs in practice)
  // lose the guarantee.
  std::uint64_t number(std::uint64_t device, std::uint64_t ino);

 private:
  std::uint16_t index_of(std::uint64_t device);

  struct Indices {
    std::map<std::uint64_t, std::uint16_t> by_device;
    std::string file;
  };
  // Shared, so that the whole stays movable.
  std::shared_ptr<Guarded<Indices>> indices_ = std::make_shared<Guarded<Indices>>();
};

}  // namespace claimfs::fs
