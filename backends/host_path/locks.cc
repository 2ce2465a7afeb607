#include <sys/file.h>

#include <cerrno>

#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

void HostPathBackend::flock(File& file, int operation, bool wait, Answer<void> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor) return answer.refuse(descriptor.error());
  if (::flock(*descriptor, operation | (wait ? 0 : LOCK_NB)) != 0)
    answer.complete(failure_from_errno());
  else
    answer.complete({});
}

void HostPathBackend::test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) {
  answer.complete(
      locks_.test(inode.key(), lock, [&](int flags) { return reopen(host(inode), flags); }));
}

void HostPathBackend::set_lock(Inode& inode, const RangeLock& lock, bool wait,
                               Answer<void> answer) {
  answer.complete(
      locks_.set(inode.key(), lock, wait, [&](int flags) { return reopen(host(inode), flags); }));
}

void HostPathBackend::drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) {
  locks_.drop(inode.key(), owner);
  answer.complete({});
}

}  // namespace claimfs::backends::host_path
