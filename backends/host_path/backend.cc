#include "backends/host_path/backend.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

namespace claimfs::backends {

std::unique_ptr<Backend> make_host_path_backend(HostPathOptions options) {
  return std::make_unique<host_path::HostPathBackend>(std::move(options));
}

namespace host_path {

namespace {

constexpr std::chrono::seconds kReportInterval{10};
constexpr std::uint64_t kDirectoryBlock = 4096;
constexpr std::chrono::milliseconds kLongestReturn{1000};  // of a removed file's room to its quota
constexpr std::chrono::milliseconds kReturnPause{2};

// One cache for all volumes of the process: the limit that it respects is the process's own. A
// quarter of it leaves room for open files, their locks and the store.
DescriptorCache& process_cache() {
  static DescriptorCache cache([] {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
    return static_cast<std::size_t>(std::clamp<rlim_t>(limit.rlim_cur / 4, 16, 4096));
  }());
  return cache;
}

// A file without a handle is known by its numbers; the mark cannot begin a key with a handle
// (mounts.cc).
std::string numbered_key(const Attributes& attributes, dev_t device) {
  struct {
    std::uint16_t mark = UINT16_MAX;
    std::uint16_t padding = 0;
    std::uint32_t device = 0;
    std::uint64_t ino = 0;
  } key;
  key.device = static_cast<std::uint32_t>(device);
  key.ino = attributes.ino;
  std::string bytes(sizeof key, '\0');
  std::memcpy(bytes.data(), &key, sizeof key);
  return bytes;
}

timespec to_timespec(const struct statx_timestamp& stamp) {
  return {stamp.tv_sec, static_cast<long>(stamp.tv_nsec)};
}

}  // namespace

ProcPath::ProcPath(int descriptor) {
  std::snprintf(text, sizeof text, "/proc/self/fd/%d", descriptor);
}

Result<Attributes> attributes_at(int directory_or_file, const char* name) {
  struct statx found {};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
  if (::statx(directory_or_file, name, flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0)
    return failure_from_errno();
  Attributes attributes;
  const dev_t device = makedev(found.stx_dev_major, found.stx_dev_minor);
  attributes.device = device_identity(device, directory_or_file);
  attributes.ino = found.stx_ino;
  attributes.mode = found.stx_mode;
  attributes.nlink = found.stx_nlink;
  attributes.uid = found.stx_uid;
  attributes.gid = found.stx_gid;
  attributes.rdev = makedev(found.stx_rdev_major, found.stx_rdev_minor);
  attributes.size = static_cast<off_t>(found.stx_size);
  attributes.blocks = found.stx_blocks;
  attributes.block_size = found.stx_blksize;
  attributes.atime = to_timespec(found.stx_atime);
  attributes.mtime = to_timespec(found.stx_mtime);
  attributes.ctime = to_timespec(found.stx_ctime);
  if (found.stx_mask & STATX_BTIME) attributes.btime = to_timespec(found.stx_btime);
  return attributes;
}

HostPathBackend::HostPathBackend(HostPathOptions options)
    : options_(std::move(options)),
      cache_(process_cache()),
      may_use_quota_(options_.capacity.may_use_quota),
      capacity_(options_.capacity.bytes),
      report_full_(options_.capacity.report_full),
      possible_accounting_(options_.capacity.bound
                               ? std::make_unique<Accounting>(std::move(options_.capacity))
                               : nullptr) {}

Result<void> HostPathBackend::start() {
  stop();  // what a start that came to nothing has begun
  TRY_VOID(prepare_host_path(options_.path, options_.is_local ? "" : options_.type));
  Fd root(::open(options_.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failure_from_errno("hostPath " + options_.path);
  // Without handles every file keeps a descriptor; that is no reason to refuse the volume.
  if (const Result<void> added = mounts_.add_root(root.get());
      !added && added.error().code != EOPNOTSUPP)
    return added;
  Fd counted(::openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!counted) return failure_from_errno("hostPath " + options_.path);
  limit_by_quota(root.get());
  accounting_ = has_quota_ ? nullptr : possible_accounting_.get();
  if (accounting_) TRY_VOID(accounting_->start());
  usage_ = std::make_unique<UsageCount>(
      [counted = std::make_shared<Fd>(std::move(counted))](const auto& is_ending) {
        return count_directory(counted->get(), is_ending);
      },
      accounting_);
  if (accounting_) accounting_->set_count(*usage_);
  if (accounting_) usage_->want();  // what a crash left of the bound is too high
  root_ = std::move(root);
  return {};
}

void HostPathBackend::stop() {
  if (accounting_) accounting_->end();
  usage_.reset();
  if (accounting_) accounting_->leave();
  has_quota_ = false;
  quota_.with([](auto& quota) { quota.reset(); });
  root_.reset();
  mounts_.clear();
}

void HostPathBackend::set_capacity(std::uint64_t bytes) {
  if (possible_accounting_) possible_accounting_->set_capacity(bytes);
  if (capacity_.exchange(bytes) == bytes) return;
  if (const auto limited = quota()) (void)limited->set_limit(bytes);
}

Enforcement HostPathBackend::enforcement() const {
  if (has_quota_) return Enforcement::Quota;
  return possible_accounting_ ? Enforcement::Accounting : Enforcement::None;
}

void HostPathBackend::limit_by_quota(int root) {
  if (!may_use_quota_) return;
  auto found = Quota::on(root, capacity_.load());
  if (!found) return;
  auto quota = std::make_shared<const Quota>(std::move(*found));
  quota_.with([&](auto& current) { current = quota; });
  // It may have grown between the two.
  (void)quota->set_limit(capacity_.load());
  has_quota_ = true;
}

tl::unexpected<Error> HostPathBackend::refuse_for_quota() {
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch() / kReportInterval;
  if (report_full_ && reported_.exchange(now) != now) report_full_();
  return failure(ENOSPC);
}

bool HostPathBackend::room_may_come_back() const {
  const std::chrono::nanoseconds gone(last_gone_.load());
  if (std::chrono::steady_clock::now().time_since_epoch() - gone > kLongestReturn) return false;
  std::this_thread::sleep_for(kReturnPause);
  return true;
}

Result<Reservation> HostPathBackend::room_for(std::uint64_t bytes) {
  if (!accounting_) return Reservation();
  Reservation room = TRY(accounting_->reserve(bytes, bytes));
  if (room.bytes() < bytes) return accounting_->refuse_for_room();
  return room;
}

// A directory mostly has room for one more name, so that the last blocks of a volume do, whatever
// the worst case is.
Result<Reservation> HostPathBackend::room_for_name(std::uint64_t bytes) {
  if (!accounting_) return Reservation();
  const std::uint64_t wanted = accounting_->worst_case(0) + bytes;
  Reservation room = TRY(accounting_->reserve(wanted, 0));
  if (room.bytes() < kDirectoryBlock + bytes) return accounting_->refuse_for_room();
  return room;
}

void HostPathBackend::has_made(const Entry& entry, Reservation& room, bool is_nameless) {
  if (accounting_) accounting_->made(host(*entry.inode), entry.attributes, room, is_nameless);
}

Result<Attributes> HostPathBackend::probe() {
  Fd root(::open(options_.path.c_str(), O_PATH | O_CLOEXEC));
  if (!root) return failure_from_errno();
  return attributes_at(root.get(), "");
}

void HostPathBackend::root(Answer<Entry> answer) {
  Result<Entry> entry = entry_at(root_.get(), "");
  if (entry) {
    Fd kept(::openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (kept) host(*entry->inode).pin(std::move(kept));
  }
  answer.complete(std::move(entry));
}

Result<HostPathBackend::Lease> HostPathBackend::descriptor_of(Inode& inode) {
  HostInode& known = host(inode);
  return cache_.lease(known, [this, &known] { return reopen(known, O_PATH | O_NOFOLLOW); });
}

Result<Fd> HostPathBackend::reopen(HostInode& inode, int flags) {
  if (const int pinned = inode.pinned(); pinned >= 0) {
    Fd opened(::open(ProcPath(pinned).text, (flags & ~O_NOFOLLOW) | O_CLOEXEC));
    if (!opened) return failure_from_errno();
    return opened;
  }
  Result<Fd> opened = mounts_.open(inode.key(), flags);
  if (opened || (opened.error().code != EMFILE && opened.error().code != ENFILE)) return opened;
  cache_.shrink();
  return mounts_.open(inode.key(), flags);
}

Result<Entry> HostPathBackend::entry_at(int directory_or_file, const char* name) {
  Result<std::string> key = mounts_.key_of(directory_or_file, name);
  if (key) {
    const Attributes attributes = TRY(attributes_at(directory_or_file, name));
    return Entry{std::make_unique<HostInode>(std::move(*key), cache_), attributes};
  }
  if (key.error().code != EOPNOTSUPP) return failure(std::move(key).error());
  Fd kept(*name ? ::openat(directory_or_file, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
                : ::open(ProcPath(directory_or_file).text, O_PATH | O_CLOEXEC));
  if (!kept) return failure_from_errno();
  const Attributes attributes = TRY(attributes_at(kept.get(), ""));
  struct stat found {};
  if (::fstat(kept.get(), &found) != 0) return failure_from_errno();
  auto inode = std::make_unique<HostInode>(numbered_key(attributes, found.st_dev), cache_);
  inode->pin(std::move(kept));
  return Entry{std::move(inode), attributes};
}

HostPathBackend::Leaving HostPathBackend::keep_reachable(int directory, const char* name) {
  if (!remembered_) return {};
  Fd kept(::openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat found {};
  if (!kept || ::fstat(kept.get(), &found) != 0) return {};
  if (!S_ISDIR(found.st_mode) && found.st_nlink > 1) return {};
  Result<std::string> key = mounts_.key_of(kept.get(), "");
  if (!key) return {};  // no handles: it has its descriptor
  Leaving leaving{.file = {}, .key = std::move(*key), .is_remembered = false};
  if (accounting_) leaving.file = Fd(::fcntl(kept.get(), F_DUPFD_CLOEXEC, 0));
  remembered_->with(leaving.key, [&](Inode& inode) {
    host(inode).pin(std::move(kept));
    leaving.is_remembered = true;
  });
  return leaving;
}

void HostPathBackend::has_gone(Leaving leaving) {
  if (has_quota_) last_gone_ = std::chrono::steady_clock::now().time_since_epoch().count();
  if (!leaving.file) return;
  struct stat found {};
  if (::fstat(leaving.file.get(), &found) != 0 || found.st_nlink != 0) return;
  if (leaving.is_remembered) {
    remembered_->with(leaving.key, [&](Inode& inode) { accounting_->lost_name(host(inode)); });
    return;
  }
  leaving.file.reset();
  accounting_->gone(static_cast<std::uint64_t>(found.st_blocks) * 512);
}

}  // namespace host_path

}  // namespace claimfs::backends
