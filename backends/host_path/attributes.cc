#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backends/caller_identity.h"
#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

// Metadata aside, a count and a qgroup differ by more than this for as long as one of them is old.
constexpr std::uint64_t kNoteworthy = std::uint64_t{1} << 20;

timespec to_timespec(const std::optional<AttributeChanges::Time>& time) {
  if (!time) return {0, UTIME_OMIT};
  if (time->now) return {0, UTIME_NOW};
  return time->value;
}

// The count sees what was written since the last commit, the qgroup what no file shows: metadata.
std::uint64_t used_by_quota(const Quota& quota, std::optional<std::uint64_t> counted) {
  const std::uint64_t committed = quota.used_bytes().value_or(0);
  if (counted && committed / kNoteworthy * kNoteworthy != *counted / kNoteworthy * kNoteworthy)
    quota.refresh();
  return std::max(committed, counted.value_or(0));
}

}  // namespace

Result<void> change_attributes(int descriptor, int writable, const AttributeChanges& changes) {
  const bool is_empty = !changes.mode && !changes.uid && !changes.gid && !changes.size &&
                        !changes.atime && !changes.mtime;
  // Ownership first: it takes set-id bits away, which a mode in the same request may set. A request
  // without any change is a chown(-1, -1), which takes them away too.
  if (changes.uid || changes.gid || is_empty) {
    const uid_t uid = changes.uid.value_or(static_cast<uid_t>(-1));
    const gid_t gid = changes.gid.value_or(static_cast<gid_t>(-1));
    if (::fchownat(descriptor, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
      return failure_from_errno();
  }
  if (changes.mode && ::chmod(ProcPath(descriptor).text, *changes.mode) != 0)
    return failure_from_errno();
  if (changes.size) {
    const WithoutFsetid unprivileged(changes.kill_set_id);
    const int result = writable >= 0 ? ::ftruncate(writable, *changes.size)
                                     : ::truncate(ProcPath(descriptor).text, *changes.size);
    if (result != 0) return failure_from_errno();
  }
  if (changes.atime || changes.mtime) {
    const timespec times[2] = {to_timespec(changes.atime), to_timespec(changes.mtime)};
    if (::utimensat(descriptor, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
      return failure_from_errno();
  }
  return {};
}

void HostPathBackend::get_attributes(const Caller&, Inode& inode, File*,
                                     Answer<Attributes> answer) {
  Result<Lease> descriptor = descriptor_of(inode);
  if (!descriptor)
    answer.complete(failure(std::move(descriptor).error()));
  else
    answer.complete(attributes_at(descriptor->get(), ""));
}

void HostPathBackend::set_attributes(const Caller&, Inode& inode, File* file,
                                     const AttributeChanges& changes, Answer<Attributes> answer) {
  Result<Lease> descriptor = descriptor_of(inode);
  if (!descriptor) return answer.refuse(descriptor.error());
  const int writable =
      file && host(*file).is_writable() ? host(*file).descriptor().value_or(-1) : -1;
  const auto change = [&] { return change_attributes(descriptor->get(), writable, changes); };
  // A size needs no room: a file that becomes longer gets a hole.
  Reservation none;
  std::optional<Change> counted;
  if (changes.size) counted.emplace(accounting_, host(inode), descriptor->get(), none);
  const Result<void> changed = within_quota(change);
  counted.reset();  // counts what became of it
  if (!changed)
    answer.refuse(changed.error());
  else
    answer.complete(attributes_at(descriptor->get(), ""));
}

void HostPathBackend::file_system_state(const Caller&, Answer<FileSystemState> answer) {
  struct statvfs found {};
  if (::fstatvfs(root_.get(), &found) != 0) return answer.refuse(errno);
  FileSystemState state;
  state.block_size = found.f_frsize;
  state.blocks = found.f_blocks;
  state.blocks_free = found.f_bfree;
  state.blocks_available = found.f_bavail;
  state.files = found.f_files;
  state.files_free = found.f_ffree;
  state.name_max = found.f_namemax;
  if (usage_) state.used_bytes = usage_->bytes();
  if (accounting_) state.used_bytes = accounting_->used_bytes();
  if (const auto limited = quota()) state.used_bytes = used_by_quota(*limited, state.used_bytes);
  answer.complete(state);
}

}  // namespace claimfs::backends::host_path
