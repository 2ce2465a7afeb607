#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>

#include "backends/nfs/file_handle.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// A file is known here, to nodes, opens and written data, by the handle that it was first found by.
// A server may call it otherwise by now: an export that was put in another's place has another
// root, and servers that check subtrees (exports(5)) put the directory into the handle. This is
// what they are told instead.
//
// Thread-safe; nothing blocks. While no handle has changed a translation costs one load.
class ServerHandles {
 public:
  // Files beside the root whose handles have changed. Of more the oldest are forgotten: who has
  // such a file open gets ESTALE, and its name finds it anew.
  static constexpr std::size_t kMost = 16384;

  // The root, and what finds it again when it is stale: that begins a change of it, or answers
  // false when it is too early to try. Before there are calls.
  void set_root(const FileHandle& root, std::function<bool()> find_again);

  FileHandle theirs(const FileHandle& ours) const;
  FileHandle ours(const FileHandle& theirs) const;

  // While a handle changes, whoever meets ESTALE by it waits for the end. An empty `theirs`: it has
  // not changed after all.
  void begin_change(const FileHandle& ours);
  void end_change(const FileHandle& ours, const FileHandle& theirs);
  bool is_changing(const FileHandle& ours) const;

  // How many changes there were: to be noted before a handle is translated.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
  // The server did not know this one, as it was translated at that count: whether it is worth
  // asking again once it is not changing.
  bool may_heal(const FileHandle& ours, std::uint64_t at_change);

 private:
  struct Place {
    FileHandle theirs;
    std::uint64_t changed_at = 0;  // 0: never
    int changing = 0;
  };
  struct Known {
    ByHandle<Place> by_ours;
    ByHandle<FileHandle> by_theirs;
    std::deque<FileHandle> changed;  // the oldest first; without the root
  };
  static void forget(Known& known, const FileHandle& ours);

  FileHandle root_;
  std::function<bool()> find_root_;
  std::atomic<std::uint64_t> changes_{0};
  Guarded<Known> known_;
};

}  // namespace claimfs::backends::nfs
