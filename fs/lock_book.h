#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "backends/backend.h"
#include "base/guarded.h"
#include "base/result.h"

namespace claimfs::fs {

using backends::RangeLock;

// Who of this mount's users holds or waits for which POSIX range lock. The backing file has the
// locks themselves; the book knows what it cannot tell: the holder's pid (F_GETLK), and that a wait
// would never end (EDEADLK). Safe from any thread; never blocks.
class LockBook {
 public:
  using NodeId = std::uint64_t;

  // What an owner holds now, F_UNLCK included: as fcntl replaces, splits and joins.
  void set(NodeId node, const RangeLock& lock);

  // A lock of another owner in the way of this one.
  std::optional<RangeLock> conflict(NodeId node, const RangeLock& lock) const;

  bool holds_any(NodeId node, std::uint64_t owner) const;

  // To be called before waiting; EDEADLK when somebody whom this would wait for waits, at last, for
  // this owner.
  Result<void> begin_wait(NodeId node, const RangeLock& lock);
  void end_wait(NodeId node, const RangeLock& lock);

  void drop(NodeId node, std::uint64_t owner);
  void forget(NodeId node);

 private:
  struct Wait {
    NodeId node;
    RangeLock lock;
  };
  struct Book {
    std::unordered_map<NodeId, std::vector<RangeLock>> held;
    std::multimap<std::uint64_t, Wait> waits;  // by owner: threads of one process share their locks
  };
  static bool would_wait_for(const Book& book, const Wait& wait, std::uint64_t owner, int depth);
  void count(const Book& book) { nodes_.store(book.held.size(), std::memory_order_relaxed); }

  Guarded<Book> book_;
  std::atomic<std::size_t> nodes_{0};  // so that files without locks pay nothing at close
};

}  // namespace claimfs::fs
