#include "backends/host_path/quota.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace claimfs::backends::host_path {

namespace {

constexpr ino_t kSubvolumeRoot = 256;
constexpr std::uint64_t kQuotaBlock = 1024;  // quotactl(2)'s, whatever the filesystem's is

// Which subvolume a btrfs directory is in.
Result<std::uint64_t> subvolume_of(int directory) {
  btrfs_ioctl_ino_lookup_args lookup{};  // tree 0, of the root: answers which tree it is in
  lookup.objectid = BTRFS_FIRST_FREE_OBJECTID;
  if (::ioctl(directory, BTRFS_IOC_INO_LOOKUP, &lookup) != 0) return failure_from_errno();
  return lookup.treeid;
}

// Which project what is made in a directory belongs to. Not one that the directory merely is in:
// that would be everybody's.
Result<std::uint64_t> project_of(int directory) {
  fsxattr attributes{};
  if (::ioctl(directory, FS_IOC_FSGETXATTR, &attributes) != 0) return failure_from_errno();
  if (attributes.fsx_projid == 0 || (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) == 0)
    return failure(EOPNOTSUPP);
  return attributes.fsx_projid;
}

Result<void> project_quota(int directory, int command, std::uint64_t project, dqblk& block) {
  if (::syscall(SYS_quotactl_fd, directory, QCMD(command, PRJQUOTA), project, &block) != 0)
    return failure_from_errno();
  return {};
}

}  // namespace

Result<Quota::Kind> Quota::kind_of(int root) {
  struct statfs filesystem {};
  struct stat found {};
  if (::fstatfs(root, &filesystem) != 0 || ::fstat(root, &found) != 0) return failure_from_errno();
  if (filesystem.f_type == BTRFS_SUPER_MAGIC && found.st_ino == kSubvolumeRoot)
    return Kind::Subvolume;
  if (filesystem.f_type == EXT4_SUPER_MAGIC || filesystem.f_type == XFS_SUPER_MAGIC)
    return Kind::Project;
  return failure(EOPNOTSUPP);
}

Result<Quota> Quota::on(int root, std::uint64_t capacity_bytes) {
  const Kind kind = TRY(kind_of(root));
  const std::uint64_t id = TRY(kind == Kind::Subvolume ? subvolume_of(root) : project_of(root));
  Fd own(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return failure_from_errno();
  Quota quota(std::move(own), kind, id);
  // ENOTCONN, ESRCH where quotas are not enabled.
  if (const Result<void> set = quota.set_limit(capacity_bytes); !set) return failure(EOPNOTSUPP);
  if (!quota.used_bytes()) return failure(EOPNOTSUPP);
  return quota;
}

Result<void> Quota::set_limit(std::uint64_t capacity_bytes) const {
  if (kind_ == Kind::Project) {
    dqblk limits{};
    limits.dqb_bhardlimit = limits.dqb_bsoftlimit = capacity_bytes / kQuotaBlock;
    limits.dqb_valid = QIF_BLIMITS;
    return project_quota(root_.get(), Q_SETQUOTA, id_, limits);
  }
  btrfs_ioctl_qgroup_limit_args args{};
  args.qgroupid = id_;
  args.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER;
  args.lim.max_rfer = capacity_bytes;
  if (::ioctl(root_.get(), BTRFS_IOC_QGROUP_LIMIT, &args) != 0) return failure_from_errno();
  return {};
}

std::optional<std::uint64_t> Quota::used_bytes() const {
  if (kind_ == Kind::Project) {
    dqblk state{};
    if (!project_quota(root_.get(), Q_GETQUOTA, id_, state)) return std::nullopt;
    return state.dqb_curspace;
  }
  btrfs_ioctl_search_args search{};
  btrfs_ioctl_search_key& key = search.key;
  key.tree_id = BTRFS_QUOTA_TREE_OBJECTID;
  key.min_type = key.max_type = BTRFS_QGROUP_INFO_KEY;
  key.min_offset = key.max_offset = id_;
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
  if (kind_ != Kind::Subvolume) return;  // a project's is always true
  std::uint64_t transaction = 0;
  (void)::ioctl(root_.get(), BTRFS_IOC_START_SYNC, &transaction);
}

}  // namespace claimfs::backends::host_path
