#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends::host_path {

// A volume's limit kept by its filesystem: the qgroup of a btrfs subvolume, limited by what the
// subvolume refers to. The kernel answers EDQUOT at the limit; whoever writes makes that ENOSPC.
// ext4's and XFS's project quotas would stand behind the same calls. Thread-safe.
class Quota {
 public:
  // Takes the limit over for a directory that is the root of such a subvolume, with quotas enabled.
  // EOPNOTSUPP where it is not.
  static Result<Quota> on(int root, std::uint64_t capacity_bytes);

  Result<void> set_limit(std::uint64_t capacity_bytes) const;
  // What the subvolume occupies as of the filesystem's last commit, metadata included.
  std::optional<std::uint64_t> used_bytes() const;
  // Has the filesystem commit soon, so that this becomes true.
  void refresh() const;

 private:
  Quota(Fd root, std::uint64_t subvolume) : root_(std::move(root)), subvolume_(subvolume) {}

  Fd root_;
  std::uint64_t subvolume_;
};

}  // namespace claimfs::backends::host_path
