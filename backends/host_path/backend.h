#pragma once

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backends/backend.h"
#include "backends/host_path.h"
#include "backends/host_path/accounting.h"
#include "backends/host_path/descriptor_cache.h"
#include "backends/host_path/inode.h"
#include "backends/host_path/mounts.h"
#include "backends/host_path/quota.h"
#include "backends/host_path/usage.h"
#include "backends/native_locks.h"
#include "base/guarded.h"

namespace claimfs::backends::host_path {

// An open regular file. Opened for reading it has no descriptor before it needs one: the kernel
// mostly reads the native file itself. Opened for writing it has one at once, for it is fsync's
// errors that it must hear of.
class HostFile final : public File {
 public:
  HostFile(HostInode& inode, int flags, const Mounts& mounts)
      : inode_(inode), flags_(flags), mounts_(mounts) {}
  HostFile(HostInode& inode, int flags, const Mounts& mounts, Fd descriptor)
      : inode_(inode), flags_(flags), mounts_(mounts), descriptor_(std::move(descriptor)) {
    ready_.store(descriptor_.get(), std::memory_order_release);
  }

  Fd passthrough_descriptor() const override;
  Result<int> descriptor() const;
  // Access mode 3 asks for both rights and gives neither.
  bool is_writable() const {
    return (flags_ & O_ACCMODE) == O_WRONLY || (flags_ & O_ACCMODE) == O_RDWR;
  }
  HostInode& inode() const { return inode_; }

 private:
  HostInode& inode_;
  const int flags_;
  const Mounts& mounts_;
  mutable std::mutex opening_;
  mutable Fd descriptor_;
  mutable std::atomic<int> ready_{-1};
};

class HostDirectory final : public File {
 public:
  explicit HostDirectory(Fd descriptor) : descriptor_(std::move(descriptor)) {}
  int descriptor() const { return descriptor_.get(); }

  std::mutex reading;  // one reader at a time moves the position
  // Both guarded by it.
  std::uint64_t position = 0;           // where the descriptor stands
  std::optional<std::uint64_t> device;  // the directory's own, once it was asked for

 private:
  Fd descriptor_;
};

class HostPathBackend final : public Backend {
 public:
  explicit HostPathBackend(HostPathOptions options);
  ~HostPathBackend() override { stop(); }

  void set_remembered(RememberedInodes* remembered) override { remembered_ = remembered; }
  Result<void> start() override;
  void stop() override;
  void set_capacity(std::uint64_t bytes) override;
  Enforcement enforcement() const override;
  // By quota, too: what the kernel writes for a caller answers EDQUOT at the limit.
  bool must_see_writes() const override { return enforcement() != Enforcement::None; }
  Result<Attributes> probe() override;
  void root(Answer<Entry> answer) override;

  // names.cc
  void lookup(const Caller& caller, Inode& parent, std::string_view name,
              Answer<Entry> answer) override;
  void read_link(const Caller& caller, Inode& inode, Answer<std::string> answer) override;
  void make_node(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                 dev_t device, Answer<Entry> answer) override;
  void make_directory(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                      Answer<Entry> answer) override;
  void make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                    std::string_view target, Answer<Entry> answer) override;
  void link(const Caller& caller, Inode& inode, Inode& new_parent, std::string_view new_name,
            Answer<Entry> answer) override;
  void unlink(const Caller& caller, Inode& parent, std::string_view name,
              Answer<void> answer) override;
  void remove_directory(const Caller& caller, Inode& parent, std::string_view name,
                        Answer<void> answer) override;
  void rename(const Caller& caller, Inode& parent, std::string_view name, Inode& new_parent,
              std::string_view new_name, unsigned flags, Answer<void> answer) override;

  // attributes.cc
  void get_attributes(const Caller& caller, Inode& inode, File* file,
                      Answer<Attributes> answer) override;
  void set_attributes(const Caller& caller, Inode& inode, File* file,
                      const AttributeChanges& changes, Answer<Attributes> answer) override;
  void file_system_state(const Caller& caller, Answer<FileSystemState> answer) override;

  // files.cc
  void open(const Caller& caller, Inode& inode, int flags,
            Answer<std::unique_ptr<File>> answer) override;
  void create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode, int flags,
              Answer<Created> answer) override;
  void create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                      Answer<Created> answer) override;
  void read(const Caller& caller, File& file, std::size_t size, off_t offset,
            Answer<std::span<const std::byte>> answer) override;
  void write(const Caller& caller, File& file, std::span<const std::byte> data, off_t offset,
             WriteOptions options, Answer<std::size_t> answer) override;
  void flush(const Caller& caller, File& file, Answer<void> answer) override;
  void sync(const Caller& caller, File& file, bool data_only, Answer<void> answer) override;
  void allocate(const Caller& caller, File& file, int mode, off_t offset, off_t length,
                Answer<void> answer) override;
  void seek(const Caller& caller, File& file, off_t offset, int whence,
            Answer<off_t> answer) override;
  void copy_range(const Caller& caller, File& from, off_t from_offset, File& to, off_t to_offset,
                  std::size_t length, Answer<std::size_t> answer) override;

  // directories.cc
  void open_directory(const Caller& caller, Inode& inode,
                      Answer<std::unique_ptr<File>> answer) override;
  void read_directory(const Caller& caller, File& directory, std::uint64_t cursor,
                      DirectorySink& sink, Answer<void> answer) override;
  void sync_directory(const Caller& caller, File& directory, bool data_only,
                      Answer<void> answer) override;

  // xattrs.cc
  void get_xattr(const Caller& caller, Inode& inode, std::string_view name,
                 Answer<std::string> answer) override;
  void set_xattr(const Caller& caller, Inode& inode, std::string_view name, std::string_view value,
                 int flags, bool may_keep_set_gid, Answer<void> answer) override;
  void list_xattrs(const Caller& caller, Inode& inode, Answer<std::string> answer) override;
  void remove_xattr(const Caller& caller, Inode& inode, std::string_view name,
                    Answer<void> answer) override;

  // locks.cc
  void flock(File& file, int operation, bool wait, Answer<void> answer) override;
  void test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) override;
  void set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) override;
  void drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) override;

 private:
  using Lease = DescriptorCache::Lease;

  static HostInode& host(Inode& inode) { return static_cast<HostInode&>(inode); }
  static HostFile& host(File& file) { return static_cast<HostFile&>(file); }

  // A descriptor of the inode, O_PATH, from the cache.
  Result<Lease> descriptor_of(Inode& inode);
  // The inode opened anew with these flags.
  Result<Fd> reopen(HostInode& inode, int flags);
  // The entry of a name in a directory, or of an open descriptor itself when the name is empty.
  Result<Entry> entry_at(int directory_or_file, const char* name);
  // What a name points to that is about to go. When this is its last name it keeps a descriptor if
  // it is remembered, and its space comes back otherwise.
  struct Leaving {
    Fd file;  // none: nothing has to be done when it has gone
    std::string key;
    bool is_remembered = false;
  };
  Leaving keep_reachable(int directory, const char* name);
  void has_gone(Leaving leaving);
  Result<void> remove(Inode& parent, int directory, const char* name, int flags);
  std::shared_ptr<const Quota> quota() const {
    return quota_.with([](const auto& quota) { return quota; });
  }
  void limit_by_quota(int root);
  // Makes a change that may need room. A full quota refuses it only when nothing is coming back.
  template <class Call>
  auto within_quota(Call&& call) -> decltype(call()) {
    auto result = call();
    while (!result && result.error().code == EDQUOT && room_may_come_back()) result = call();
    if (!result && result.error().code == EDQUOT) return refuse_for_quota();
    return result;
  }
  // Whether a file has gone lately, after a pause. Its room comes back when the kernel has
  // forgotten it and its filesystem has committed that, and nobody is told when that is.
  bool room_may_come_back() const;
  // ENOSPC, and once in a while the report that the volume is full.
  tl::unexpected<Error> refuse_for_quota();
  // Room for that much, all or ENOSPC; where nothing is accounted there always is.
  Result<Reservation> room_for(std::uint64_t bytes);
  Result<Reservation> room_for_name(std::uint64_t bytes);
  // What was made, in the books.
  void has_made(const Entry& entry, Reservation& room, bool is_nameless = false);
  // Changes a file's attributes by a call that takes its path.
  template <class Call>
  Result<void> changed(Inode& inode, int descriptor, Reservation& room, Call&& call);
  // metered_writes.cc
  Result<std::size_t> write_within(HostFile& file, int descriptor, std::span<const std::byte> data,
                                   off_t offset, bool append);
  Result<void> allocate_within(HostFile& file, int descriptor, int mode, off_t offset,
                               off_t length);
  Result<std::size_t> copy_within(int from, off_t from_offset, HostFile& to, int descriptor,
                                  off_t to_offset, std::size_t length);
  template <class Make>
  void make_entry(const Caller& caller, Inode& parent, std::string_view name, std::uint64_t own,
                  Answer<Entry> answer, Make&& make);

  HostPathOptions options_;  // but for the bound: accounting has that
  DescriptorCache& cache_;
  const bool may_use_quota_;
  std::atomic<std::uint64_t> capacity_;
  const std::function<void()> report_full_;
  std::atomic<std::int64_t> reported_{-1};                 // when a full quota was last told
  std::atomic<std::int64_t> last_gone_{0};                 // when a file was; steady, nanoseconds
  const std::unique_ptr<Accounting> possible_accounting_;  // null: not wanted
  Guarded<std::shared_ptr<const Quota>> quota_;            // null: there is none
  std::atomic<bool> has_quota_{false};
  Accounting* accounting_ = nullptr;  // null: nothing is accounted. Set by start()
  RememberedInodes* remembered_ = nullptr;
  Fd root_;
  Mounts mounts_;
  std::unique_ptr<UsageCount> usage_;
  NativeLocks locks_;
};

// Makes these changes to what an O_PATH descriptor is of; `writable` is an open one of the same
// file, or -1.
Result<void> change_attributes(int descriptor, int writable, const AttributeChanges& changes);

// statx of a name, or of the descriptor itself when the name is empty. Symlinks are not followed.
Result<Attributes> attributes_at(int directory_or_file, const char* name);

// `/proc/self/fd/N`, for system calls that take a path and no O_PATH descriptor.
struct ProcPath {
  explicit ProcPath(int descriptor);
  char text[32];
};

}  // namespace claimfs::backends::host_path
