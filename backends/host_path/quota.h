#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends::host_path {

// A volume's limit kept by its filesystem: the qgroup of a btrfs subvolume, limited by what the
// subvolume refers to; or the project of an ext4 or XFS directory. The kernel answers EDQUOT at the
// limit (XFS ENOSPC); whoever writes makes that ENOSPC. Thread-safe.
class Quota {
 public:
  // Takes the limit over for a directory that is the root of such a subvolume, or has a project
  // that what is made in it inherits, with quotas enabled. EOPNOTSUPP where it is not.
  static Result<Quota> on(int root, std::uint64_t capacity_bytes);

  Result<void> set_limit(std::uint64_t capacity_bytes) const;
  // What it occupies; a subvolume as of the filesystem's last commit, metadata included.
  std::optional<std::uint64_t> used_bytes() const;
  // Has the filesystem commit soon, so that this becomes true.
  void refresh() const;

 private:
  enum class Kind { Subvolume, Project };
  Quota(Fd root, Kind kind, std::uint64_t id) : root_(std::move(root)), kind_(kind), id_(id) {}
  static Result<Kind> kind_of(int root);

  Fd root_;
  Kind kind_;
  std::uint64_t id_;
};

}  // namespace claimfs::backends::host_path
