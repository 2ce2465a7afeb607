#include "fs/kernel_requests.h"
#include "fs/calling_process.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "fs/kernel_lock_requests.h"
#include "fs/kernel_replies.h"
#include "fs/reply_room.h"
#include "fs/request_parts.h"

namespace claimfs::fs {

namespace {

void on_init(void* user_data, fuse_conn_info* connection) {
  KernelSide& side = *static_cast<KernelSide*>(user_data);
  // Splice halves the request rate (FUSE.md 3).
  for (const std::uint64_t unwanted :
       {FUSE_CAP_SPLICE_READ, FUSE_CAP_SPLICE_WRITE, FUSE_CAP_SPLICE_MOVE})
    fuse_unset_feature_flag(connection, unwanted);
  fuse_set_feature_flag(connection, FUSE_CAP_PARALLEL_DIROPS);
  fuse_set_feature_flag(connection, FUSE_CAP_POSIX_ACL);
  fuse_set_feature_flag(
      connection, FUSE_CAP_DONT_MASK);  // default ACLs replace the umask: the backing file decides
  fuse_set_feature_flag(connection, FUSE_CAP_CACHE_SYMLINKS);
  fuse_set_feature_flag(connection, FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
  fuse_set_feature_flag(connection,
                        FUSE_CAP_NO_EXPORT_SUPPORT);  // a file opened by handle has no parent (F4)
  side.has_kill_privileges = fuse_set_feature_flag(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
  side.has_passthrough = fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH);
  connection->max_backing_stack_depth = 0;
  side.offers_rings =
      side.may_have_rings && fuse_get_feature_flag(connection, FUSE_CAP_OVER_IO_URING);
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  side(request).habits.saw_lookup(fuse_req_ctx(request)->pid, parent);
  filesystem(request).lookup(caller_of(request), parent, name, entry_to(request));
}

void on_forget(fuse_req_t request, fuse_ino_t node, std::uint64_t count) {
  filesystem(request).forget(node, count);
  fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (const fuse_forget_data& one : std::span(forgets, count))
    filesystem(request).forget(one.ino, one.nlookup);
  fuse_reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  filesystem(request).get_attributes(caller_of(request), node, handle_of(info),
                                     attributes_to(request));
}

void on_statx(fuse_req_t request, fuse_ino_t node, int, int, fuse_file_info* info) {
  filesystem(request).get_attributes(
      caller_of(request), node, handle_of(info), [request](Result<NodeAttributes> found) {
        if (!found) return refuse(request, found.error());
        const Attributes& from = found->attributes;
        struct statx to {};
        const auto time = [](const timespec& value) {
          struct statx_timestamp stamp {};
          stamp.tv_sec = value.tv_sec;
          stamp.tv_nsec = static_cast<std::uint32_t>(value.tv_nsec);
          return stamp;
        };
        to.stx_mask = STATX_BASIC_STATS;
        to.stx_blksize = from.block_size;
        to.stx_nlink = static_cast<std::uint32_t>(from.nlink);
        to.stx_uid = from.uid;
        to.stx_gid = from.gid;
        to.stx_mode = static_cast<std::uint16_t>(from.mode);
        to.stx_ino = found->ino;
        to.stx_size = static_cast<std::uint64_t>(from.size);
        to.stx_blocks = from.blocks;
        to.stx_atime = time(from.atime);
        to.stx_mtime = time(from.mtime);
        to.stx_ctime = time(from.ctime);
        to.stx_rdev_major = major(from.rdev);
        to.stx_rdev_minor = minor(from.rdev);
        if (from.btime.tv_sec != 0) {
          to.stx_mask |= STATX_BTIME;
          to.stx_btime = time(from.btime);
        }
        return took(fuse_reply_statx(request, 0, &to, found->trust_seconds));
      });
}

void on_setattr(fuse_req_t request, fuse_ino_t node, struct stat* to, int which,
                fuse_file_info* info) {
  backends::AttributeChanges changes;
  if (which & FUSE_SET_ATTR_MODE) changes.mode = to->st_mode & 07777;
  if (which & FUSE_SET_ATTR_UID) changes.uid = to->st_uid;
  if (which & FUSE_SET_ATTR_GID) changes.gid = to->st_gid;
  if (which & FUSE_SET_ATTR_SIZE) changes.size = to->st_size;
  using Time = backends::AttributeChanges::Time;
  if (which & FUSE_SET_ATTR_ATIME_NOW)
    changes.atime = Time{true, {}};
  else if (which & FUSE_SET_ATTR_ATIME)
    changes.atime = Time{false, to->st_atim};
  if (which & FUSE_SET_ATTR_MTIME_NOW)
    changes.mtime = Time{true, {}};
  else if (which & FUSE_SET_ATTR_MTIME)
    changes.mtime = Time{false, to->st_mtim};
  // The kernel's FATTR_KILL_SUIDGID is this bit (fuse_kernel.h), which libfuse hands through
  // unnamed.
  changes.kill_set_id = (which & FUSE_SET_ATTR_KILL_SUID) != 0;
  filesystem(request).set_attributes(caller_of(request), node, handle_of(info), changes,
                                     attributes_to(request));
}

void on_readlink(fuse_req_t request, fuse_ino_t node) {
  filesystem(request).read_link(caller_of(request), node, [request](Result<std::string> target) {
    return target ? took(fuse_reply_readlink(request, target->c_str()))
                  : refuse(request, target.error());
  });
}

void on_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  filesystem(request).make_node(caller_of(request), parent, name, mode, device, entry_to(request));
}

void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  filesystem(request).make_directory(caller_of(request), parent, name, mode, entry_to(request));
}

void on_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  filesystem(request).make_symlink(caller_of(request), parent, name, target, entry_to(request));
}

void on_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
  filesystem(request).link(caller_of(request), node, new_parent, new_name, entry_to(request));
}

void on_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  filesystem(request).unlink(caller_of(request), parent, name, status_to(request));
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  filesystem(request).remove_directory(caller_of(request), parent, name, status_to(request));
}

void on_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) {
  filesystem(request).rename(caller_of(request), parent, name, new_parent, new_name, flags,
                             status_to(request));
}

void on_open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  filesystem(request).open(caller_of(request), node, info->flags, info->kill_suidgid,
                           open_to(request, *info));
}

void on_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* info) {
  filesystem(request).create(caller_of(request), parent, name, mode, info->flags,
                             info->kill_suidgid, create_to(request, *info));
}

void on_tmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  filesystem(request).create_unnamed(caller_of(request), parent, mode, info->flags,
                                     create_to(request, *info));
}

void on_release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  filesystem(request).release(handle_of(info));
  fuse_reply_err(request, 0);
}

void on_read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  Caller caller = caller_of(request);
  caller.room = ReplyRoom::of_this_thread();
  caller.wants_latest = (info->flags & O_DIRECT) != 0;
  filesystem(request).read(caller, *handle_of(info), size, offset, bytes_to(request));
}

void on_write(fuse_req_t request, fuse_ino_t, const char* data, std::size_t size, off_t offset,
              fuse_file_info* info) {
  // O_APPEND as it is now: fcntl may have changed it since the open, and a page of a map that the
  // kernel writes back through whichever handle it has belongs where it says.
  const backends::Backend::WriteOptions options{
      .append = !info->writepage && (info->flags & O_APPEND) != 0,
      .kill_set_id = info->kill_suidgid != 0};
  filesystem(request).write(caller_of(request), *handle_of(info),
                            std::as_bytes(std::span(data, size)), offset, options,
                            count_to(request));
}

void on_flush(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  filesystem(request).flush(caller_of<ImpatientCallers::Watched::FromTheStart>(request),
                            *handle_of(info), info->lock_owner, status_to(request));
}

void on_fsync(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
  filesystem(request).sync(caller_of(request), *handle_of(info), data_only != 0,
                           status_to(request));
}

void on_fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
                  fuse_file_info* info) {
  filesystem(request).allocate(caller_of(request), *handle_of(info), mode, offset, length,
                               status_to(request));
}

void on_lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  filesystem(request).seek(caller_of(request), *handle_of(info), offset, whence,
                           [request](Result<off_t> position) {
                             return position ? took(fuse_reply_lseek(request, *position))
                                             : refuse(request, position.error());
                           });
}

void on_copy_file_range(fuse_req_t request, fuse_ino_t, off_t from_offset, fuse_file_info* from,
                        fuse_ino_t, off_t to_offset, fuse_file_info* to, std::size_t length, int) {
  // The kernel's answer has 32 bits for the count.
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max() & ~std::size_t{4095};
  filesystem(request).copy_range(caller_of(request), *handle_of(from), from_offset, *handle_of(to),
                                 to_offset, std::min(length, kMost), count_to(request));
}

void on_opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  const bool wants_attributes =
      filesystem(request).lists_attributes_anyway(node) ||
      side(request).habits.wants_attributes(fuse_req_ctx(request)->pid, node);
  filesystem(request).open_directory(caller_of(request), node, wants_attributes,
                                     open_to(request, *info));
}

void read_directory(fuse_req_t request, off_t cursor, fuse_file_info* info,
                    const std::shared_ptr<KernelEntries>& entries) {
  filesystem(request).read_directory(caller_of(request), *handle_of(info),
                                     static_cast<std::uint64_t>(cursor), *entries,
                                     [entries](Result<void> read) { return entries->send(read); });
}

void on_readdir(fuse_req_t request, fuse_ino_t, std::size_t size, off_t cursor,
                fuse_file_info* info) {
  constexpr auto kForm = KernelEntries::Form::Names;
  read_directory(request, cursor, info,
                 std::make_shared<KernelEntries>(request, size, kForm, false));
}

void on_readdirplus(fuse_req_t request, fuse_ino_t, std::size_t size, off_t cursor,
                    fuse_file_info* info) {
  constexpr auto kForm = KernelEntries::Form::Plus;
  // Later in a listing the kernel asks for attributes only when it has seen them used.
  const bool wants_entries = cursor != 0 || handle_of(info)->wants_attributes;
  read_directory(request, cursor, info,
                 std::make_shared<KernelEntries>(request, size, kForm, wants_entries));
}

void on_fsyncdir(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
  filesystem(request).sync_directory(caller_of(request), *handle_of(info), data_only != 0,
                                     status_to(request));
}

void on_statfs(fuse_req_t request, fuse_ino_t node) {
  filesystem(request).file_system_state(caller_of(request), node,
                                        [request](Result<backends::FileSystemState> state) {
                                          if (!state) return refuse(request, state.error());
                                          struct statvfs to {};
                                          to.f_bsize = to.f_frsize = state->block_size;
                                          to.f_blocks = state->blocks;
                                          to.f_bfree = state->blocks_free;
                                          to.f_bavail = state->blocks_available;
                                          to.f_files = state->files;
                                          to.f_ffree = to.f_favail = state->files_free;
                                          to.f_namemax = state->name_max;
                                          return took(fuse_reply_statfs(request, &to));
                                        });
}

void on_setxattr(fuse_req_t request, fuse_ino_t node, const char* name, const char* value,
                 std::size_t size, int flags) {
  const fuse_ctx& context = *fuse_req_ctx(request);
  const auto is_member = [gid = context.gid, pid = context.pid](gid_t group) {
    return gid == group || is_in_group(pid, group);
  };
  filesystem(request).set_xattr(caller_of(request), node, name, std::string_view(value, size),
                                flags, is_member, status_to(request));
}

void on_getxattr(fuse_req_t request, fuse_ino_t node, const char* name, std::size_t size) {
  filesystem(request).get_xattr(caller_of(request), node, name, xattr_to(request, size));
}

void on_listxattr(fuse_req_t request, fuse_ino_t node, std::size_t size) {
  filesystem(request).list_xattrs(
      caller_of(request), node, [pid = fuse_req_ctx(request)->pid] { return may_administer(pid); },
      xattr_to(request, size));
}

void on_removexattr(fuse_req_t request, fuse_ino_t node, const char* name) {
  filesystem(request).remove_xattr(caller_of(request), node, name, status_to(request));
}

}  // namespace

const fuse_lowlevel_ops& kernel_requests() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops all{};
    all.init = on_init;
    all.lookup = on_lookup;
    all.forget = on_forget;
    all.forget_multi = on_forget_multi;
    all.getattr = on_getattr;
    all.statx = on_statx;
    all.setattr = on_setattr;
    all.readlink = on_readlink;
    all.mknod = on_mknod;
    all.mkdir = on_mkdir;
    all.symlink = on_symlink;
    all.link = on_link;
    all.unlink = on_unlink;
    all.rmdir = on_rmdir;
    all.rename = on_rename;
    all.open = on_open;
    all.create = on_create;
    all.tmpfile = on_tmpfile;
    all.release = on_release;
    all.read = on_read;
    all.write = on_write;
    all.flush = on_flush;
    all.fsync = on_fsync;
    all.fallocate = on_fallocate;
    all.lseek = on_lseek;
    all.copy_file_range = on_copy_file_range;
    all.opendir = on_opendir;
    all.readdir = on_readdir;
    all.readdirplus = on_readdirplus;
    all.releasedir = on_release;
    all.fsyncdir = on_fsyncdir;
    all.statfs = on_statfs;
    all.setxattr = on_setxattr;
    all.getxattr = on_getxattr;
    all.listxattr = on_listxattr;
    all.removexattr = on_removexattr;
    all.getlk = on_getlk;
    all.setlk = on_setlk;
    all.flock = on_flock;
    return all;
  }();
  return operations;
}

}  // namespace claimfs::fs
