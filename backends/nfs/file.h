#pragma once

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/nfs/accounting.h"
#include "backends/nfs/cached_pages.h"
#include "backends/nfs/directory_news.h"
#include "backends/nfs/file_handle.h"
#include "backends/nfs/files_ahead.h"
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
    if (written_) written_->closed();
    open_files_->closed(handle_);
  }

  const FileHandle& handle() const { return handle_; }
  const Identity& opener() const { return opener_; }
  bool is_readable() const { return (flags_ & O_ACCMODE) == O_RDONLY || is_both(); }
  bool is_writable() const { return (flags_ & O_ACCMODE) == O_WRONLY || is_both(); }
  WrittenFile* written() const { return written_.get(); }
  WriteErrors::Cursor told_errors;  // the WrittenFile's lock guards it

  // What the server said of it at the open, on a volume that others may change. Before anybody else
  // knows of this.
  void saw(std::shared_ptr<CachedPages> pages, const CachedPages::Open& open) {
    is_as_cached_ = pages->may_keep(open);
    if (is_as_cached_) return;
    pages_ = std::move(pages);
    open_.emplace(open);
  }
  bool is_as_cached() const override { return is_as_cached_; }
  // The kernel asks for something by it: it has heard of the open.
  void is_used() {
    if (pages_ && !is_used_.load() && !is_used_.exchange(true)) pages_->dropped(*open_);
  }

  // Its server is some way off, and says that it has this size. Before anybody else knows of this.
  void may_read_ahead(std::uint64_t size) { size_to_read_ahead_ = size; }
  // What is read ahead for it; null: nothing is.
  std::shared_ptr<FileAhead> ahead(FilesAhead& all) {
    if (!size_to_read_ahead_) return nullptr;
    std::scoped_lock lock(reading_);
    if (!ahead_) ahead_ = all.add(handle_, *size_to_read_ahead_);
    return ahead_;
  }

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
  bool is_as_cached_ = false;
  std::shared_ptr<CachedPages> pages_;  // that the kernel drops; null: none
  std::optional<CachedPages::Open> open_;
  std::atomic<bool> is_used_{false};
  std::optional<std::uint64_t> size_to_read_ahead_;
  std::mutex reading_;
  std::shared_ptr<FileAhead> ahead_;  // guarded by it
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
    std::chrono::steady_clock::time_point asked_at{};
    Accounting::Since counted{};       // the same
    std::uint64_t changes_before = 0;  // of the directory by us, when it was asked for
    mutable std::atomic<std::size_t> read_up_to{0};  // where the next reader probably goes on

    // Where in `names` it goes on behind this cookie; none: it is not of these.
    std::optional<std::size_t> behind(std::uint64_t cookie) const {
      if (cookie == before) return 0;
      const std::size_t probably = read_up_to.load(std::memory_order_relaxed);
      if (probably > 0 && names[probably - 1].cookie == cookie) return probably;
      const auto found = std::ranges::find(names, cookie, &Name::cookie);
      if (found == names.end()) return std::nullopt;
      return found - names.begin() + 1;
    }
  };

  // `news` of a directory that is there; one that was removed has no handle.
  NfsDirectory(const FileHandle& handle, std::shared_ptr<DirectoryNews> news, std::uint64_t device,
               const Identity& opener)
      : handle_(handle), news_(std::move(news)), device_(device), opener_(opener) {}

  const FileHandle& handle() const { return handle_; }
  const std::shared_ptr<DirectoryNews>& news() const { return news_; }
  std::uint64_t device() const { return device_; }
  const Identity& opener() const { return opener_; }

  // One reader at a time, as the kernel reads an open directory; others read for themselves.
  std::mutex mutex;
  // Guarded by it:
  std::shared_ptr<const Batch> last;
  bool is_unread = false;  // it came with the open

 private:
  const FileHandle handle_;
  const std::shared_ptr<DirectoryNews> news_;
  const std::uint64_t device_;
  const Identity opener_;
};

}  // namespace claimfs::backends::nfs
