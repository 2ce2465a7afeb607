#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <limits>

#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

// Ranges as fcntl has them: a length of 0 reaches to the end of all files. OFD locks belong to the open description,
// and l_pid must be 0.
struct flock to_native(const RangeLock& lock) {
  struct flock native {};
  native.l_type = lock.type;
  native.l_whence = SEEK_SET;
  native.l_start = static_cast<off_t>(lock.start);
  const bool to_the_end = lock.end >= static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  native.l_len = to_the_end ? 0 : static_cast<off_t>(lock.end - lock.start + 1);
  return native;
}

}  // namespace

void HostPathBackend::flock(File& file, int operation, bool wait, Answer<void> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor) {
    answer.complete(failure(descriptor.error()));
    return;
  }
  if (::flock(*descriptor, operation | (wait ? 0 : LOCK_NB)) != 0) answer.complete(failure_from_errno());
  else answer.complete({});
}

Result<Fd> HostPathBackend::open_for_locks(Inode& inode) {
  // Read and write locks need a descriptor that may do both; on a read-only filesystem reading must do.
  Result<Fd> opened = reopen(host(inode), O_RDWR);
  if (opened) return opened;
  const int error = opened.error().code;
  return error == EROFS || error == ETXTBSY || error == EPERM ? reopen(host(inode), O_RDONLY) : std::move(opened);
}

Result<std::shared_ptr<Fd>> HostPathBackend::lock_descriptor(Inode& inode, std::uint64_t owner) {
  const LockKey key{std::string(inode.key()), owner};
  if (auto known = lock_descriptors_.with([&](auto& all) {
        const auto found = all.find(key);
        return found == all.end() ? nullptr : found->second;
      }))
    return known;
  auto descriptor = std::make_shared<Fd>(TRY(open_for_locks(inode)));
  return lock_descriptors_.with([&](auto& all) { return all.try_emplace(key, descriptor).first->second; });
}

void HostPathBackend::test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) {
  // A description that holds nothing meets everybody's locks, the owner's too; the owner's own meets the others' only.
  const auto own = lock_descriptors_.with([&](auto& all) {
    const auto found = all.find(LockKey{std::string(inode.key()), lock.owner});
    return found == all.end() ? nullptr : found->second;
  });
  Result<Fd> another = own ? Fd() : open_for_locks(inode);
  if (!another) {
    answer.complete(failure(std::move(another).error()));
    return;
  }
  struct flock native = to_native(lock);
  if (::fcntl(own ? own->get() : another->get(), F_OFD_GETLK, &native) != 0) {
    answer.complete(failure_from_errno());
    return;
  }
  RangeLock holder = lock;
  holder.type = native.l_type;
  if (native.l_type != F_UNLCK) {
    holder.start = static_cast<std::uint64_t>(native.l_start);
    holder.end = native.l_len == 0 ? static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())
                                   : holder.start + static_cast<std::uint64_t>(native.l_len) - 1;
    holder.pid = native.l_pid;
  }
  answer.complete(holder);
}

void HostPathBackend::set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) {
  const Result<std::shared_ptr<Fd>> descriptor = lock_descriptor(inode, lock.owner);
  if (!descriptor) {
    answer.complete(failure(descriptor.error()));
    return;
  }
  struct flock native = to_native(lock);
  if (::fcntl((*descriptor)->get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &native) != 0) {
    answer.complete(errno == EACCES ? failure(EAGAIN) : failure_from_errno());
    return;
  }
  answer.complete({});
}

void HostPathBackend::drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) {
  const LockKey key{std::string(inode.key()), owner};
  // Closed outside the lock, by the last who uses it.
  const auto dropped = lock_descriptors_.with([&](auto& all) {
    const auto found = all.find(key);
    if (found == all.end()) return std::shared_ptr<Fd>();
    auto descriptor = std::move(found->second);
    all.erase(found);
    return descriptor;
  });
  answer.complete({});
}

}  // namespace claimfs::backends::host_path
