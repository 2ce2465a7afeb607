#include "backends/block.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "backends/caller_identity.h"
#include "backends/host_path.h"
#include "backends/host_path/backend.h"
#include "backends/native_locks.h"
#include "backends/refusing_backend.h"
#include "backends/thread_buffer.h"

namespace claimfs::backends {

namespace {

using host_path::attributes_at;
using host_path::ProcPath;

struct BlockInode final : Inode {
  std::string_view key() const override { return "block"; }
};

class BlockFile final : public File {
 public:
  BlockFile(Fd descriptor, bool is_passthrough)
      : descriptor_(std::move(descriptor)), is_passthrough_(is_passthrough) {}
  Fd passthrough_descriptor() const override {
    return is_passthrough_ ? Fd(::open(ProcPath(descriptor_.get()).text, O_PATH | O_CLOEXEC))
                           : Fd();
  }
  int descriptor() const { return descriptor_.get(); }

 private:
  Fd descriptor_;
  bool is_passthrough_;
};

int descriptor_of(File& file) { return static_cast<BlockFile&>(file).descriptor(); }

Result<void> done(int result) {
  if (result != 0) return failure_from_errno();
  return {};
}

// pread until `room` is full or the source ends; how much came.
Result<std::size_t> read_source(int source, std::span<std::byte> room, off_t offset) {
  std::size_t total = 0;
  while (total < room.size()) {
    const ssize_t got = ::pread(source, room.data() + total, room.size() - total,
                                offset + static_cast<off_t>(total));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && total == 0) return failure_from_errno();
    if (got <= 0) break;
    total += static_cast<std::size_t>(got);
  }
  return total;
}

Result<std::size_t> write_source(int source, std::span<const std::byte> data, off_t offset) {
  std::size_t total = 0;
  while (total < data.size()) {
    const ssize_t put = ::pwrite(source, data.data() + total, data.size() - total,
                                 offset + static_cast<off_t>(total));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && total == 0) return failure_from_errno();
    if (put <= 0) break;
    total += static_cast<std::size_t>(put);
  }
  return total;
}

class BlockBackend final : public RefusingBackend {
 public:
  explicit BlockBackend(BlockOptions options)
      : RefusingBackend(EOPNOTSUPP),
        options_(std::move(options)),
        capacity_(static_cast<off_t>(options_.capacity_bytes)) {}

  Result<void> start() override;
  void stop() override { source_.reset(); }
  Result<Attributes> probe() override;
  void root(Answer<Entry> answer) override;

  void get_attributes(const Caller& caller, Inode& inode, File* file,
                      Answer<Attributes> answer) override;
  void set_attributes(const Caller& caller, Inode& inode, File* file,
                      const AttributeChanges& changes, Answer<Attributes> answer) override;
  void file_system_state(const Caller& caller, Answer<FileSystemState> answer) override;

  void open(const Caller& caller, Inode& inode, int flags,
            Answer<std::unique_ptr<File>> answer) override;
  void read(const Caller& caller, File& file, std::size_t size, off_t offset,
            Answer<std::span<const std::byte>> answer) override;
  void write(const Caller& caller, File& file, std::span<const std::byte> data, off_t offset,
             WriteOptions options, Answer<std::size_t> answer) override;
  void sync(const Caller& caller, File& file, bool data_only, Answer<void> answer) override;
  void allocate(const Caller& caller, File& file, int mode, off_t offset, off_t length,
                Answer<void> answer) override;
  void seek(const Caller& caller, File& file, off_t offset, int whence,
            Answer<off_t> answer) override;
  void copy_range(const Caller& caller, File& from, off_t from_offset, File& to, off_t to_offset,
                  std::size_t length, Answer<std::size_t> answer) override;

  void flock(File& file, int operation, bool wait, Answer<void> answer) override;
  void test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) override;
  void set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) override;
  void drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) override;

 private:
  Result<Fd> reopen(int flags) const;
  Result<Attributes> attributes_of(int source) const;
  // How much of a range lies within the capacity.
  std::size_t within(off_t offset, std::size_t size) const {
    return offset >= capacity_ ? 0 : std::min(size, static_cast<std::size_t>(capacity_ - offset));
  }

  const BlockOptions options_;
  const off_t capacity_;
  Fd source_;  // O_PATH: the file or device itself, whatever becomes of its name
  bool is_device_ = false;
  NativeLocks locks_;
};

Result<void> BlockBackend::start() {
  const std::string& path = options_.path;
  const std::string type = options_.is_local ? "" : options_.type;
  // Said before anything is made for the type's sake.
  if (type == "Directory" || type == "DirectoryOrCreate")
    return failure(0, "volumeMode Block needs a file or a block device: hostPath.type is " + type);
  if (const Result<void> prepared = prepare_host_path(path, type); !prepared) {
    if (prepared.error().code != ENOENT || !type.empty()) return prepared;
    return failure(ENOENT, options_.is_local
                               ? "local path " + path
                               : "hostPath " + path +
                                     ": create the file, or set hostPath.type to FileOrCreate");
  }
  struct stat found {};
  Fd source(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!source || ::fstat(source.get(), &found) != 0) return failure_from_errno("hostPath " + path);
  if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode))
    return failure(0, "volumeMode Block needs a file or a block device: " + path + " is " +
                          (S_ISDIR(found.st_mode) ? "a directory" : "something else"));
  is_device_ = S_ISBLK(found.st_mode);
  source_ = std::move(source);
  return {};
}

Result<Attributes> BlockBackend::attributes_of(int source) const {
  Attributes attributes = TRY(attributes_at(source, ""));
  if (S_ISBLK(attributes.mode))
    attributes.blocks = options_.capacity_bytes / 512;
  else if (!S_ISREG(attributes.mode))
    return failure(EINVAL);
  attributes.mode = S_IFREG | (attributes.mode & 07777);
  attributes.nlink = 1;
  attributes.rdev = 0;
  attributes.size = capacity_;
  return attributes;
}

Result<Attributes> BlockBackend::probe() {
  const Fd source(::open(options_.path.c_str(), O_PATH | O_CLOEXEC));
  if (!source) return failure_from_errno();
  return attributes_of(source.get());
}

void BlockBackend::root(Answer<Entry> answer) {
  Result<Attributes> attributes = attributes_of(source_.get());
  if (!attributes)
    answer.complete(failure(std::move(attributes).error()));
  else
    answer.complete(Entry{std::make_unique<BlockInode>(), *attributes});
}

Result<Fd> BlockBackend::reopen(int flags) const {
  Fd opened(::open(ProcPath(source_.get()).text, flags | O_CLOEXEC));
  if (!opened) return failure_from_errno();
  return opened;
}

void BlockBackend::get_attributes(const Caller&, Inode&, File*, Answer<Attributes> answer) {
  answer.complete(attributes_of(source_.get()));
}

void BlockBackend::set_attributes(const Caller&, Inode&, File*, const AttributeChanges& changes,
                                  Answer<Attributes> answer) {
  AttributeChanges others = changes;
  others.size.reset();
  if (changes.size && *changes.size != 0 && *changes.size != capacity_) return answer.refuse(EPERM);
  // The kernel tells of a truncation's times in the same request. They are as little news as the
  // size.
  const bool is_truncation = changes.size && !changes.mode && !changes.uid && !changes.gid;
  if (!is_truncation) {
    if (const Result<void> changed = host_path::change_attributes(source_.get(), -1, others);
        !changed) {
      answer.complete(failure(changed.error()));
      return;
    }
  }
  answer.complete(attributes_of(source_.get()));
}

void BlockBackend::file_system_state(const Caller&, Answer<FileSystemState> answer) {
  struct statvfs found {};
  struct stat source {};
  if (::fstatvfs(source_.get(), &found) != 0 || ::fstat(source_.get(), &source) != 0)
    return answer.refuse(errno);
  FileSystemState state;
  state.block_size = found.f_frsize;
  state.blocks = found.f_blocks;
  state.blocks_free = found.f_bfree;
  state.blocks_available = found.f_bavail;
  state.files = 1;
  state.name_max = found.f_namemax;
  state.used_bytes =
      is_device_ ? options_.capacity_bytes : static_cast<std::uint64_t>(source.st_blocks) * 512;
  answer.complete(state);
}

void BlockBackend::open(const Caller&, Inode&, int flags, Answer<std::unique_ptr<File>> answer) {
  // Alignment is not asked of our buffers, and there is no end to append to.
  Result<Fd> opened = reopen(flags & (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME));
  if (!opened) return answer.refuse(opened.error());
  // A device ends where it ends. A regular file would grow beyond the capacity by what the kernel
  // writes without us, and one open with passthrough makes all the others so.
  const bool ends_at_capacity = is_device_ && ::lseek(opened->get(), 0, SEEK_END) == capacity_;
  answer.complete(
      std::unique_ptr<File>(std::make_unique<BlockFile>(std::move(*opened), ends_at_capacity)));
}

void BlockBackend::read(const Caller& caller, File& file, std::size_t size, off_t offset,
                        Answer<std::span<const std::byte>> answer) {
  const std::span<std::byte> buffer = answer_buffer(caller, within(offset, size));
  const Result<std::size_t> got = read_source(descriptor_of(file), buffer, offset);
  if (!got) return answer.refuse(got.error());
  std::ranges::fill(buffer.subspan(*got), std::byte{0});
  answer.complete(std::span<const std::byte>(buffer));
}

void BlockBackend::write(const Caller&, File& file, std::span<const std::byte> data, off_t offset,
                         WriteOptions options, Answer<std::size_t> answer) {
  if (options.append) offset = capacity_;
  const std::size_t size = within(offset, data.size());
  if (size == 0 && !data.empty()) return answer.refuse(ENOSPC);
  const WithoutFsetid unprivileged(options.kill_set_id);
  answer.complete(write_source(descriptor_of(file), data.first(size), offset));
}

void BlockBackend::sync(const Caller&, File& file, bool data_only, Answer<void> answer) {
  answer.complete(
      done(data_only ? ::fdatasync(descriptor_of(file)) : ::fsync(descriptor_of(file))));
}

void BlockBackend::allocate(const Caller&, File& file, int mode, off_t offset, off_t length,
                            Answer<void> answer) {
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
    answer.fail(EOPNOTSUPP);  // the others move what lies behind
    return;
  }
  if (offset < 0 || length <= 0) return answer.refuse(EINVAL);
  const auto inside = static_cast<off_t>(within(offset, static_cast<std::size_t>(length)));
  const bool is_punch = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
  if (is_punch && inside == 0)
    answer.complete({});  // nothing is there, as behind the end of any file
  else if (!is_punch && inside < length)
    answer.fail(ENOSPC);
  else
    answer.complete(done(::fallocate(descriptor_of(file), mode, offset, inside)));
}

void BlockBackend::seek(const Caller&, File& file, off_t offset, int whence, Answer<off_t> answer) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return answer.refuse(EINVAL);
  if (offset < 0 || offset >= capacity_) return answer.refuse(ENXIO);
  const int descriptor = descriptor_of(file);
  off_t position = ::lseek(descriptor, offset, whence);
  if (position < 0 && errno == EINVAL) {
    // Devices do not tell: data as far as they reach.
    const off_t end = ::lseek(descriptor, 0, SEEK_END);
    if (whence == SEEK_HOLE)
      position = std::max(offset, end);
    else if (offset < end)
      position = offset;
    else
      errno = ENXIO;
  } else if (position < 0 && errno == ENXIO && whence == SEEK_HOLE) {
    position = offset;  // behind the end of a shorter source
  }
  if (position < 0)
    answer.complete(failure_from_errno());
  else if (whence == SEEK_DATA && position >= capacity_)
    answer.fail(ENXIO);
  else
    answer.complete(std::min(position, capacity_));
}

void BlockBackend::copy_range(const Caller&, File& from, off_t from_offset, File& to,
                              off_t to_offset, std::size_t length, Answer<std::size_t> answer) {
  const std::size_t readable = within(from_offset, length);
  const std::size_t size = std::min(readable, within(to_offset, readable));
  if (readable == 0 || size == 0) {
    if (readable == 0)
      answer.complete(std::size_t{0});
    else
      answer.fail(ENOSPC);
    return;
  }
  struct stat source {};
  if (::fstat(descriptor_of(from), &source) != 0) return answer.refuse(errno);
  // Between a shorter source's end and the capacity are zeros that only read() knows of, and
  // devices copy nothing themselves: the kernel copies by reading and writing then.
  if (is_device_ || from_offset >= source.st_size) return answer.refuse(EOPNOTSUPP);
  const ssize_t copied =
      ::copy_file_range(descriptor_of(from), &from_offset, descriptor_of(to), &to_offset, size, 0);
  if (copied < 0)
    answer.complete(failure_from_errno());
  else
    answer.complete(static_cast<std::size_t>(copied));
}

void BlockBackend::flock(File& file, int operation, bool wait, Answer<void> answer) {
  answer.complete(done(::flock(descriptor_of(file), operation | (wait ? 0 : LOCK_NB))));
}

void BlockBackend::test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) {
  answer.complete(locks_.test(inode.key(), lock, [this](int flags) { return reopen(flags); }));
}

void BlockBackend::set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) {
  answer.complete(locks_.set(inode.key(), lock, wait, [this](int flags) { return reopen(flags); }));
}

void BlockBackend::drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) {
  locks_.drop(inode.key(), owner);
  answer.complete({});
}

}  // namespace

std::unique_ptr<Backend> make_block_backend(BlockOptions options) {
  return std::make_unique<BlockBackend>(std::move(options));
}

}  // namespace claimfs::backends
