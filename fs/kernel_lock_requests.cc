#include "fs/kernel_lock_requests.h"

#include <fcntl.h>

#include <limits>

#include "fs/kernel_interruptions.h"
#include "fs/kernel_replies.h"
#include "fs/request_parts.h"

namespace claimfs::fs {

namespace {

// libfuse has turned the kernel's range into start and length; length 0 reaches to the end.
RangeLock to_range(const struct flock& lock, const fuse_file_info& info) {
  RangeLock range;
  range.type = lock.l_type;
  range.start = static_cast<std::uint64_t>(lock.l_start);
  range.end = lock.l_len == 0 ? static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())
                              : range.start + static_cast<std::uint64_t>(lock.l_len) - 1;
  range.pid = lock.l_pid;
  range.owner = info.lock_owner;
  return range;
}

}  // namespace

void on_getlk(fuse_req_t request, fuse_ino_t node, fuse_file_info* info, struct flock* lock) {
  filesystem(request).test_lock(node, to_range(*lock, *info), [request](Result<RangeLock> holder) {
    if (!holder) return refuse(request, holder.error());
    struct flock to {};
    to.l_type = holder->type;
    to.l_whence = SEEK_SET;
    to.l_start = static_cast<off_t>(holder->start);
    to.l_len = holder->end >= static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())
                   ? 0
                   : static_cast<off_t>(holder->end - holder->start + 1);
    to.l_pid = holder->pid;
    return took(fuse_reply_lock(request, &to));
  });
}

void on_setlk(fuse_req_t request, fuse_ino_t, fuse_file_info* info, struct flock* lock, int sleep) {
  filesystem(request).set_lock(*handle_of(info), to_range(*lock, *info), sleep != 0,
                               any_signal_of(request), status_to(request));
}

void on_flock(fuse_req_t request, fuse_ino_t, fuse_file_info* info, int operation) {
  filesystem(request).flock(*handle_of(info), operation, any_signal_of(request),
                            status_to(request));
}

}  // namespace claimfs::fs
