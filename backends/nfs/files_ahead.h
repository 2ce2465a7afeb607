#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "backends/nfs/ahead_piece.h"
#include "backends/nfs/file_handle.h"
#include "backends/nfs/read_sequence.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

class FilesAhead;

// What the server has been asked for ahead of one reader of a file. Thread-safe.
//
// What it says of the file is not older than what the kernel may have in its page cache: what was
// asked for before somebody opened the file is dropped then, as the kernel drops its pages; when
// the kernel is told other times or another size, for which it drops its pages, too, only what was
// read in that state counts; and nothing does that we have written to since.
class FileAhead {
 public:
  // `size` of the file, as far as it is known.
  FileAhead(std::shared_ptr<FilesAhead> all, const FileHandle& handle, std::uint64_t size);
  FileAhead(const FileAhead&) = delete;
  ~FileAhead();

  struct Request {
    std::uint64_t offset = 0;
    std::size_t size = 0;
    std::uint64_t writes = 0;  // of ours, all of which the server has
    const Identity& opener;
    std::optional<Clock::duration> soft_deadline{};
  };
  struct Reading {
    std::shared_ptr<AheadPiece> found;                // the request's alone; null: none
    std::vector<std::shared_ptr<AheadPiece>> to_ask;  // now
  };
  Reading read(const Request& request);
  // One for which nothing was found, by the server, after so long.
  void answered(Clock::duration after);

  void told(const Attributes& attributes);
  void drop();

 private:
  std::shared_ptr<AheadPiece> take_out(const Request& request);
  void drop_all();

  const std::shared_ptr<FilesAhead> all_;
  const FileHandle handle_;

  std::mutex mutex_;
  // The rest is guarded by it.
  ReadSequence sequence_;
  std::deque<std::shared_ptr<AheadPiece>> pieces_;  // that nobody has taken
  std::uint64_t file_size_;
};

// Those of a volume, by file.
class FilesAhead : public std::enable_shared_from_this<FilesAhead> {
 public:
  explicit FilesAhead(std::size_t most_of_piece)
      : memory_(std::make_shared<AheadMemory>(most_of_piece)) {}

  // For an open that begins to read in large parts.
  std::shared_ptr<FileAhead> add(const FileHandle& handle, std::uint64_t size);

  // The kernel is told this of the file; it is opened.
  void told(const FileHandle& handle, const Attributes& attributes) const {
    for_each(handle, [&](FileAhead& file) { file.told(attributes); });
  }
  void opened(const FileHandle& handle) const {
    for_each(handle, [](FileAhead& file) { file.drop(); });
  }

  const std::shared_ptr<AheadMemory>& memory() const { return memory_; }

 private:
  friend class FileAhead;
  void remove(const FileHandle& handle);
  void for_each(const FileHandle& handle, const std::function<void(FileAhead&)>& act) const;

  const std::shared_ptr<AheadMemory> memory_;
  std::atomic<std::size_t> count_{0};
  Guarded<ByHandle<std::vector<std::weak_ptr<FileAhead>>>> files_;
};

}  // namespace claimfs::backends::nfs
