#pragma once

#include <fcntl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/nfs/file_handle.h"
#include "backends/nfs/hidden_file.h"
#include "backends/nfs/identity.h"
#include "backends/nfs/written_file.h"
#include "base/fd.h"

namespace claimfs::backends::nfs {

// An open regular file. Its server is told of whoever opened it, as by the kernel's client: rights
// are those of the open.
class NfsFile final : public File {
 public:
  // `written` when it may be written to.
  NfsFile(const FileHandle& handle, int flags, const Identity& opener,
          std::shared_ptr<OpenFiles> open_files, std::shared_ptr<WrittenFile> written)
      : handle_(handle),
        flags_(flags),
        opener_(opener),
        open_files_(std::move(open_files)),
        written_(std::move(written)) {
    open_files_->opened(handle_);
    if (written_) told_errors = written_->open();
  }
  ~NfsFile() override {
    if (written_) written_->flush_in_background();
    open_files_->closed(handle_);
  }

  const FileHandle& handle() const { return handle_; }
  const Identity& opener() const { return opener_; }
  bool is_readable() const { return (flags_ & O_ACCMODE) == O_RDONLY || is_both(); }
  bool is_writable() const { return (flags_ & O_ACCMODE) == O_WRONLY || is_both(); }
  WrittenFile* written() const { return written_.get(); }
  WriteErrors::Cursor told_errors;  // the WrittenFile's lock guards it

  // For flock: a description of its own of what stands for the file (LocalLocks).
  std::mutex locking;
  Fd lock_ground;  // guarded by it

 private:
  bool is_both() const { return (flags_ & O_ACCMODE) == O_RDWR; }

  const FileHandle handle_;
  const int flags_;
  const Identity opener_;
  const std::shared_ptr<OpenFiles> open_files_;
  const std::shared_ptr<WrittenFile> written_;
};

// An open directory, with what was read of it last: the kernel takes less at once than the server
// gives.
class NfsDirectory final : public File {
 public:
  struct Name {
    std::string name;
    std::uint64_t fileid = 0;
    std::uint64_t cookie = 0;  // behind it
    std::optional<Attributes> attributes;
    FileHandle handle;  // empty when the server did not send it
  };
  struct Batch {
    std::vector<Name> names;
    std::uint64_t before = 0;  // the cookie that it was asked by
    bool is_last = false;
    cookieverf3 verifier{};
  };

  NfsDirectory(const FileHandle& handle, std::uint64_t device, const Identity& opener)
      : handle_(handle), device_(device), opener_(opener) {}

  const FileHandle& handle() const { return handle_; }
  std::uint64_t device() const { return device_; }
  const Identity& opener() const { return opener_; }

  // One reader at a time, as the kernel reads an open directory; others read for themselves.
  std::mutex mutex;
  std::shared_ptr<const Batch> last;  // guarded by it

 private:
  const FileHandle handle_;
  const std::uint64_t device_;
  const Identity opener_;
};

}  // namespace claimfs::backends::nfs
