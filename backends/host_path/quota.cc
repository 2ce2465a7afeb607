#include "backends/host_path/quota.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

namespace claimfs::backends::host_path {

namespace {

constexpr ino_t kSubvolumeRoot = 256;

}  // namespace

Result<Quota> Quota::on(int root, std::uint64_t capacity_bytes) {
  struct statfs filesystem {};
  struct stat found {};
  if (::fstatfs(root, &filesystem) != 0 || ::fstat(root, &found) != 0) return failure_from_errno();
  if (filesystem.f_type != BTRFS_SUPER_MAGIC || found.st_ino != kSubvolumeRoot)
    return failure(EOPNOTSUPP);
  btrfs_ioctl_ino_lookup_args lookup{};  // tree 0, of the root: answers which tree it is in
  lookup.objectid = BTRFS_FIRST_FREE_OBJECTID;
  if (::ioctl(root, BTRFS_IOC_INO_LOOKUP, &lookup) != 0) return failure_from_errno();
  Fd own(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return failure_from_errno();
  Quota quota(std::move(own), lookup.treeid);
  // ENOTCONN where quotas are not enabled.
  if (const Result<void> set = quota.set_limit(capacity_bytes); !set) return failure(EOPNOTSUPP);
  if (!quota.used_bytes()) return failure(EOPNOTSUPP);
  return quota;
}

Result<void> Quota::set_limit(std::uint64_t capacity_bytes) const {
  btrfs_ioctl_qgroup_limit_args args{};
  args.qgroupid = subvolume_;
  args.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER;
  args.lim.max_rfer = capacity_bytes;
  if (::ioctl(root_.get(), BTRFS_IOC_QGROUP_LIMIT, &args) != 0) return failure_from_errno();
  return {};
}

std::optional<std::uint64_t> Quota::used_bytes() const {
  btrfs_ioctl_search_args search{};
  btrfs_ioctl_search_key& key = search.key;
  key.tree_id = BTRFS_QUOTA_TREE_OBJECTID;
  key.min_type = key.max_type = BTRFS_QGROUP_INFO_KEY;
  key.min_offset = key.max_offset = subvolume_;
  key.max_transid = UINT64_MAX;
  key.nr_items = 1;
  if (::ioctl(root_.get(), BTRFS_IOC_TREE_SEARCH, &search) != 0 || key.nr_items == 0)
    return std::nullopt;
  btrfs_ioctl_search_header header{};
  std::memcpy(&header, search.buf, sizeof header);
  btrfs_qgroup_info_item item{};
  if (header.type != BTRFS_QGROUP_INFO_KEY || header.len < sizeof item) return std::nullopt;
  std::memcpy(&item, search.buf + sizeof header, sizeof item);
  return le64toh(item.rfer);
}

void Quota::refresh() const {
  std::uint64_t transaction = 0;
  (void)::ioctl(root_.get(), BTRFS_IOC_START_SYNC, &transaction);
}

}  // namespace claimfs::backends::host_path
