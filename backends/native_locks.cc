#include "backends/native_locks.h"

#include <fcntl.h>

#include <cerrno>
#include <limits>

namespace claimfs::backends {

namespace {

constexpr auto kEndOfFiles = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

// Ranges as fcntl has them: a length of 0 reaches to the end of all files. OFD locks belong to the
// open description, and l_pid must be 0.
struct flock to_native(const RangeLock& lock) {
  struct flock native {};
  native.l_type = lock.type;
  native.l_whence = SEEK_SET;
  native.l_start = static_cast<off_t>(lock.start);
  native.l_len = lock.end >= kEndOfFiles ? 0 : static_cast<off_t>(lock.end - lock.start + 1);
  return native;
}

// Read and write locks need a descriptor that may do both; on a read-only filesystem reading must
// do.
Result<Fd> open_for_locks(const NativeLocks::Open& open) {
  Result<Fd> opened = open(O_RDWR);
  if (opened) return opened;
  const int error = opened.error().code;
  return error == EROFS || error == ETXTBSY || error == EPERM ? open(O_RDONLY) : std::move(opened);
}

}  // namespace

std::shared_ptr<Fd> NativeLocks::known(const Holder& holder) const {
  return descriptors_.with([&](const auto& all) {
    const auto found = all.find(holder);
    return found == all.end() ? nullptr : found->second;
  });
}

Result<RangeLock> NativeLocks::test(std::string_view key, const RangeLock& lock, const Open& open) {
  // A description that holds nothing meets everybody's locks, the owner's too; the owner's own
  // meets the others' only.
  const std::shared_ptr<Fd> own = known({std::string(key), lock.owner});
  const Fd another = own ? Fd() : TRY(open_for_locks(open));
  struct flock native = to_native(lock);
  if (::fcntl(own ? own->get() : another.get(), F_OFD_GETLK, &native) != 0)
    return failure_from_errno();
  RangeLock holder = lock;
  holder.type = native.l_type;
  if (native.l_type == F_UNLCK) return holder;
  holder.start = static_cast<std::uint64_t>(native.l_start);
  holder.end =
      native.l_len == 0 ? kEndOfFiles : holder.start + static_cast<std::uint64_t>(native.l_len) - 1;
  holder.pid = native.l_pid;
  return holder;
}

Result<void> NativeLocks::set(std::string_view key, const RangeLock& lock, bool wait,
                              const Open& open) {
  const Holder holder{std::string(key), lock.owner};
  std::shared_ptr<Fd> descriptor = known(holder);
  if (!descriptor) {
    auto opened = std::make_shared<Fd>(TRY(open_for_locks(open)));
    descriptor =
        descriptors_.with([&](auto& all) { return all.try_emplace(holder, opened).first->second; });
  }
  struct flock native = to_native(lock);
  if (::fcntl(descriptor->get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &native) != 0)
    return errno == EACCES ? failure(EAGAIN) : failure_from_errno();
  return {};
}

void NativeLocks::drop(std::string_view key, std::uint64_t owner) {
  // Closed outside the lock, by the last who uses it.
  const auto dropped = descriptors_.with([&](auto& all) {
    const auto node = all.extract(Holder{std::string(key), owner});
    return node ? node.mapped() : nullptr;
  });
}

}  // namespace claimfs::backends
