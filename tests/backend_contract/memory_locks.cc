#include <fcntl.h>
#include <sys/file.h>

#include "tests/backend_contract/memory_node.h"

namespace claimfs::tests {

namespace {

bool overlap(const RangeLock& left, const RangeLock& right) {
  return left.start <= right.end && right.start <= left.end;
}

}  // namespace

void MemoryBackend::flock(File& file, int operation, bool wait, Answer<void> answer) {
  Result<void> result = [&]() -> Result<void> {
    std::unique_lock lock(mutex_);
    TRY_VOID(step("flock"));
    auto& held = memory(file).node->flocks;
    if (operation == LOCK_UN) {
      held.erase(&file);
      locks_changed_.notify_all();
      return {};
    }
    const auto is_free = [&] {
      return std::ranges::none_of(held, [&](const auto& other) {
        return other.first != &file && (operation == LOCK_EX || other.second == LOCK_EX);
      });
    };
    while (!is_free()) {
      if (!wait) return failure(EAGAIN);
      locks_changed_.wait(lock);
    }
    held[&file] = operation;
    return {};
  }();
  deliver(std::move(answer), std::move(result));
}

namespace {

std::optional<RangeLock> holder_against(const Node& node, const RangeLock& lock) {
  for (const RangeLock& held : node.locks)
    if (held.owner != lock.owner && overlap(held, lock) &&
        (held.type == F_WRLCK || lock.type == F_WRLCK))
      return held;
  return std::nullopt;
}

void place(Node& node, const RangeLock& lock) {
  std::vector<RangeLock> next;
  for (const RangeLock& held : node.locks) {
    if (held.owner != lock.owner || !overlap(held, lock)) {
      next.push_back(held);
      continue;
    }
    RangeLock rest = held;
    if (held.start < lock.start) {
      rest.end = lock.start - 1;
      next.push_back(rest);
    }
    rest = held;
    if (held.end > lock.end) {
      rest.start = lock.end + 1;
      next.push_back(rest);
    }
  }
  if (lock.type != F_UNLCK) next.push_back(lock);
  node.locks = std::move(next);
}

}  // namespace

void MemoryBackend::test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) {
  serve("test_lock", std::move(answer), [&]() -> Result<RangeLock> {
    if (const auto holder = holder_against(*node_of(inode), lock)) return *holder;
    RangeLock none = lock;
    none.type = F_UNLCK;
    return none;
  });
}

void MemoryBackend::set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) {
  Result<void> result = [&]() -> Result<void> {
    std::unique_lock guard(mutex_);
    TRY_VOID(step("set_lock"));
    const NodePointer node = node_of(inode);
    while (lock.type != F_UNLCK && holder_against(*node, lock)) {
      if (!wait) return failure(EAGAIN);
      locks_changed_.wait(guard);
    }
    place(*node, lock);
    locks_changed_.notify_all();
    return {};
  }();
  deliver(std::move(answer), std::move(result));
}

void MemoryBackend::drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) {
  serve("drop_locks", std::move(answer), [&]() -> Result<void> {
    std::erase_if(node_of(inode)->locks,
                  [&](const RangeLock& held) { return held.owner == owner; });
    locks_changed_.notify_all();
    return {};
  });
}

}  // namespace claimfs::tests
