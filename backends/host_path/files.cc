#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "backends/caller_identity.h"
#include "backends/host_path/backend.h"
#include "backends/thread_buffer.h"

namespace claimfs::backends::host_path {

namespace {

// What of a caller's flags our own descriptor has. Appending is said with each write, since it can
// be switched while the file is open; alignment is not asked of our buffers.
int own_flags(int flags) {
  return flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_DIRECT | O_ASYNC |
                   O_NOFOLLOW | O_TMPFILE);
}

Result<void> done(int result) {
  if (result != 0) return failure_from_errno();
  return {};
}

}  // namespace

Result<int> HostFile::descriptor() const {
  if (const int ready = ready_.load(std::memory_order_acquire); ready >= 0) return ready;
  std::scoped_lock lock(opening_);
  if (descriptor_) return descriptor_.get();
  if (const int pinned = inode_.pinned(); pinned >= 0) {
    descriptor_ = Fd(::open(ProcPath(pinned).text, flags_ | O_CLOEXEC));
    if (!descriptor_) return failure_from_errno();
  } else {
    descriptor_ = TRY(mounts_.open(inode_.key(), flags_));
  }
  ready_.store(descriptor_.get(), std::memory_order_release);
  return descriptor_.get();
}

Fd HostFile::passthrough_descriptor() const {
  // By its handle first, which takes half as long as by a path in /proc.
  const int pinned = inode_.pinned();
  if (pinned < 0)
    if (Result<Fd> opened = mounts_.open(inode_.key(), O_PATH)) return std::move(*opened);
  const int known = pinned >= 0 ? pinned : ready_.load(std::memory_order_acquire);
  return known >= 0 ? Fd(::open(ProcPath(known).text, O_PATH | O_CLOEXEC)) : Fd();
}

void HostPathBackend::open(const Caller&, Inode& inode, int flags,
                           Answer<std::unique_ptr<File>> answer) {
  const int wanted = own_flags(flags);
  if ((wanted & O_ACCMODE) == O_RDONLY) {
    answer.complete(
        std::unique_ptr<File>(std::make_unique<HostFile>(host(inode), wanted, mounts_)));
    return;
  }
  Result<Fd> opened = reopen(host(inode), wanted);
  if (!opened) return answer.refuse(opened.error());
  // A shared writable map takes both rights.
  if (accounting_ && (wanted & O_ACCMODE) == O_RDWR)
    accounting_->may_be_mapped(host(inode), opened->get());
  answer.complete(std::unique_ptr<File>(
      std::make_unique<HostFile>(host(inode), wanted, mounts_, std::move(*opened))));
}

void HostPathBackend::create(const Caller& caller, Inode& parent, std::string_view name,
                             mode_t mode, int flags, Answer<Created> answer) {
  Result<Lease> directory = descriptor_of(parent);
  if (!directory) return answer.refuse(directory.error());
  Result<Reservation> room = room_for_name(0);
  if (!room) return answer.refuse(room.error());
  const std::string c_name(name);
  become(caller);
  Result<Fd> opened = within_quota([&]() -> Result<Fd> {
    const Change change(accounting_, host(parent), directory->get(), *room);
    const int how = own_flags(flags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    Fd made(::openat(directory->get(), c_name.c_str(), how, mode));
    if (!made && (errno == EMFILE || errno == ENFILE)) {
      cache_.shrink();
      made = Fd(::openat(directory->get(), c_name.c_str(), how, mode));
    }
    if (!made) return failure_from_errno();
    return made;
  });
  // Somebody else was faster. What they made may be anything: the kernel looks again, and opens it
  // as what it is.
  if (!opened && opened.error().code == EEXIST && (flags & O_EXCL) == 0)
    return answer.refuse(ESTALE);
  if (!opened) return answer.refuse(opened.error());
  Result<Entry> entry = entry_at(opened->get(), "");
  if (!entry) return answer.refuse(entry.error());
  has_made(*entry, *room);
  if (accounting_ && (flags & O_ACCMODE) == O_RDWR)
    accounting_->may_be_mapped(host(*entry->inode), opened->get());
  auto file = std::make_unique<HostFile>(host(*entry->inode), own_flags(flags), mounts_,
                                         std::move(*opened));
  answer.complete(Created{std::move(*entry), std::move(file)});
}

void HostPathBackend::create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                                     Answer<Created> answer) {
  Result<Lease> directory = descriptor_of(parent);
  if (!directory) return answer.refuse(directory.error());
  Result<Reservation> room = room_for_name(0);
  if (!room) return answer.refuse(room.error());
  become(caller);
  // O_EXCL says that it may never get a name.
  Result<Fd> opened = within_quota([&]() -> Result<Fd> {
    Fd made(::openat(directory->get(), ".",
                     own_flags(flags) | (flags & O_EXCL) | O_TMPFILE | O_CLOEXEC, mode));
    if (!made) return failure_from_errno();
    return made;
  });
  if (!opened) return answer.refuse(opened.error());
  Result<Entry> entry = entry_at(opened->get(), "");
  if (!entry) return answer.refuse(entry.error());
  // It has no name to be found by: reachable as long as it is remembered.
  Fd kept(::open(ProcPath(opened->get()).text, O_PATH | O_CLOEXEC));
  if (kept) host(*entry->inode).pin(std::move(kept));
  has_made(*entry, *room, /*is_nameless=*/true);
  if (accounting_ && (flags & O_ACCMODE) == O_RDWR)
    accounting_->may_be_mapped(host(*entry->inode), opened->get());
  auto file = std::make_unique<HostFile>(host(*entry->inode), own_flags(flags), mounts_,
                                         std::move(*opened));
  answer.complete(Created{std::move(*entry), std::move(file)});
}

void HostPathBackend::read(const Caller& caller, File& file, std::size_t size, off_t offset,
                           Answer<std::span<const std::byte>> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor) return answer.refuse(descriptor.error());
  const std::span<std::byte> buffer = answer_buffer(caller, size);
  std::size_t total = 0;
  while (total < size) {
    const ssize_t got = ::pread(*descriptor, buffer.data() + total, size - total,
                                offset + static_cast<off_t>(total));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && total == 0) return answer.refuse(errno);
    if (got <= 0) break;
    total += static_cast<std::size_t>(got);
  }
  answer.complete(std::span<const std::byte>(buffer.first(total)));
}

void HostPathBackend::write(const Caller&, File& file, std::span<const std::byte> data,
                            off_t offset, WriteOptions options, Answer<std::size_t> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor) return answer.refuse(descriptor.error());
  const WithoutFsetid unprivileged(options.kill_set_id);
  answer.complete(write_within(host(file), *descriptor, data, offset, options.append));
}

void HostPathBackend::flush(const Caller&, File&, Answer<void> answer) { answer.complete({}); }

void HostPathBackend::sync(const Caller&, File& file, bool data_only, Answer<void> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor)
    answer.complete(failure(descriptor.error()));
  else
    answer.complete(done(data_only ? ::fdatasync(*descriptor) : ::fsync(*descriptor)));
}

void HostPathBackend::allocate(const Caller&, File& file, int mode, off_t offset, off_t length,
                               Answer<void> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor)
    answer.complete(failure(descriptor.error()));
  else
    answer.complete(allocate_within(host(file), *descriptor, mode, offset, length));
}

void HostPathBackend::seek(const Caller&, File& file, off_t offset, int whence,
                           Answer<off_t> answer) {
  const Result<int> descriptor = host(file).descriptor();
  if (!descriptor) return answer.refuse(descriptor.error());
  const off_t position = ::lseek(*descriptor, offset, whence);
  if (position < 0)
    answer.complete(failure_from_errno());
  else
    answer.complete(position);
}

void HostPathBackend::copy_range(const Caller&, File& from, off_t from_offset, File& to,
                                 off_t to_offset, std::size_t length, Answer<std::size_t> answer) {
  const Result<int> source = host(from).descriptor();
  const Result<int> target = source ? host(to).descriptor() : source;
  if (!target) return answer.refuse(target.error());
  answer.complete(copy_within(*source, from_offset, host(to), *target, to_offset, length));
}

}  // namespace claimfs::backends::host_path
