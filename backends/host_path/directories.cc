#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

// getdents64's own layout; glibc reads ahead behind our back otherwise.
struct DirectoryEntry {
  std::uint64_t ino;
  std::int64_t next;
  std::uint16_t length;
  std::uint8_t type;
  char name[];
};

// Little at a time: what does not fit into the reply is read again, for which ext4 reads and sorts
// a block of the directory anew.
constexpr std::size_t kBufferBytes = 4 * 1024;

}  // namespace

void HostPathBackend::open_directory(const Caller&, Inode& inode,
                                     Answer<std::unique_ptr<File>> answer) {
  Result<Lease> directory = descriptor_of(inode);
  if (!directory) return answer.refuse(directory.error());
  Fd opened(::openat(directory->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened && (errno == EMFILE || errno == ENFILE)) {
    cache_.shrink();
    opened = Fd(::openat(directory->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!opened && errno == ENOENT) {
    // A removed directory that somebody still stands in: it is there, and empty.
    opened = Fd(::open(ProcPath(directory->get()).text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!opened)
    answer.complete(failure_from_errno());
  else
    answer.complete(std::unique_ptr<File>(std::make_unique<HostDirectory>(std::move(opened))));
}

void HostPathBackend::read_directory(const Caller&, File& file, std::uint64_t cursor,
                                     DirectorySink& sink, Answer<void> answer) {
  auto& directory = static_cast<HostDirectory&>(file);
  const int descriptor = directory.descriptor();
  alignas(DirectoryEntry) thread_local char buffer[kBufferBytes];
  Result<void> result;
  {
    std::scoped_lock lock(directory.reading);
    if (!directory.device) {
      const Result<Attributes> own = attributes_at(descriptor, "");
      if (!own) return answer.refuse(own.error());
      directory.device = own->device;
    }
    // Cursor 0 begins anew, and then sees what has come since.
    if ((cursor != directory.position || cursor == 0) &&
        ::lseek(descriptor, static_cast<off_t>(cursor), SEEK_SET) < 0)
      result = failure_from_errno();
    directory.position = cursor;
    bool has_room = result.has_value();
    while (has_room) {
      const long filled = ::syscall(SYS_getdents64, descriptor, buffer, sizeof buffer);
      if (filled < 0) {
        // A directory that was removed meanwhile has no entries any more.
        if (errno != ENOENT) result = failure_from_errno();
        break;
      }
      if (filled == 0) break;
      for (long at = 0; has_room && at < filled;) {
        const auto& entry = *reinterpret_cast<const DirectoryEntry*>(buffer + at);
        at += entry.length;
        const std::string_view name(entry.name);
        std::optional<Entry> details;
        if (sink.wants_attributes() && name != "." && name != "..") {
          // Gone since it was read: the name is told, and the kernel finds out.
          if (Result<Entry> found = entry_at(descriptor, entry.name)) details = std::move(*found);
        }
        has_room = sink.add(name, *directory.device, entry.ino, entry.type,
                            static_cast<std::uint64_t>(entry.next), std::move(details));
        if (has_room) directory.position = static_cast<std::uint64_t>(entry.next);
      }
      if (!has_room) {
        // What did not fit is read again.
        ::lseek(descriptor, static_cast<off_t>(directory.position), SEEK_SET);
      }
    }
  }
  answer.complete(std::move(result));
}

void HostPathBackend::sync_directory(const Caller&, File& file, bool data_only,
                                     Answer<void> answer) {
  const int descriptor = static_cast<HostDirectory&>(file).descriptor();
  if ((data_only ? ::fdatasync(descriptor) : ::fsync(descriptor)) != 0)
    answer.complete(failure_from_errno());
  else
    answer.complete({});
}

}  // namespace claimfs::backends::host_path
