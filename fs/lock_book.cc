#include "fs/lock_book.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace claimfs::fs {

namespace {

bool overlap(const RangeLock& left, const RangeLock& right) {
  return left.start <= right.end && right.start <= left.end;
}

bool touch(const RangeLock& left, const RangeLock& right) {
  return overlap(left, right) || left.end + 1 == right.start || right.end + 1 == left.start;
}

bool exclude(const RangeLock& held, const RangeLock& wanted) {
  return held.owner != wanted.owner && overlap(held, wanted) &&
         (held.type == F_WRLCK || wanted.type == F_WRLCK);
}

// As the kernel: chains longer than this are taken for no deadlock.
constexpr int kLongestChain = 10;

}  // namespace

void LockBook::set(NodeId node, const RangeLock& lock) {
  book_.with([&](Book& book) {
    std::vector<RangeLock>& held = book.held[node];
    std::vector<RangeLock> next;
    next.reserve(held.size() + 2);
    RangeLock joined = lock;
    for (const RangeLock& old : held) {
      // Neighbours of one kind are one lock: F_GETLK tells of the whole.
      if (old.owner == lock.owner && old.type == lock.type && touch(old, lock)) {
        joined.start = std::min(joined.start, old.start);
        joined.end = std::max(joined.end, old.end);
        continue;
      }
      if (old.owner != lock.owner || !overlap(old, lock)) {
        next.push_back(old);
        continue;
      }
      if (old.start < lock.start) {
        next.push_back(old);
        next.back().end = lock.start - 1;
      }
      if (old.end > lock.end) {
        next.push_back(old);
        next.back().start = lock.end + 1;
      }
    }
    if (lock.type != F_UNLCK) next.push_back(joined);
    held = std::move(next);
    if (held.empty()) book.held.erase(node);
    count(book);
  });
}

std::optional<RangeLock> LockBook::conflict(NodeId node, const RangeLock& lock) const {
  return book_.with([&](const Book& book) -> std::optional<RangeLock> {
    const auto held = book.held.find(node);
    if (held == book.held.end()) return std::nullopt;
    // The first in the file, as the kernel reports.
    std::optional<RangeLock> first;
    for (const RangeLock& other : held->second)
      if (exclude(other, lock) && (!first || other.start < first->start)) first = other;
    return first;
  });
}

bool LockBook::holds_any(NodeId node, std::uint64_t owner) const {
  if (nodes_.load(std::memory_order_relaxed) == 0) return false;
  return book_.with([&](const Book& book) {
    const auto held = book.held.find(node);
    return held != book.held.end() && std::ranges::any_of(held->second, [&](const RangeLock& lock) {
             return lock.owner == owner;
           });
  });
}

bool LockBook::would_wait_for(const Book& book, const Wait& wait, std::uint64_t owner, int depth) {
  if (depth > kLongestChain) return false;
  const auto held = book.held.find(wait.node);
  if (held == book.held.end()) return false;
  for (const RangeLock& holder : held->second) {
    if (!exclude(holder, wait.lock)) continue;
    if (holder.owner == owner) return true;
    const auto [begin, end] = book.waits.equal_range(holder.owner);
    for (auto next = begin; next != end; ++next)
      if (would_wait_for(book, next->second, owner, depth + 1)) return true;
  }
  return false;
}

Result<void> LockBook::begin_wait(NodeId node, const RangeLock& lock) {
  return book_.with([&](Book& book) -> Result<void> {
    const Wait wait{node, lock};
    // Whom we would wait for directly never is ourselves; whom those wait for may be.
    if (would_wait_for(book, wait, lock.owner, 0)) return failure(EDEADLK);
    book.waits.emplace(lock.owner, wait);
    return {};
  });
}

void LockBook::end_wait(NodeId node, const RangeLock& lock) {
  book_.with([&](Book& book) {
    const auto [begin, end] = book.waits.equal_range(lock.owner);
    const auto wait = std::find_if(begin, end, [&](const auto& entry) {
      return entry.second.node == node && entry.second.lock.start == lock.start &&
             entry.second.lock.end == lock.end;
    });
    if (wait != end) book.waits.erase(wait);
  });
}

void LockBook::drop(NodeId node, std::uint64_t owner) {
  RangeLock all;
  all.type = F_UNLCK;
  all.end = ~std::uint64_t{0};
  all.owner = owner;
  set(node, all);
}

void LockBook::forget(NodeId node) {
  if (nodes_.load(std::memory_order_relaxed) == 0) return;
  book_.with([&](Book& book) {
    book.held.erase(node);
    count(book);
  });
}

}  // namespace claimfs::fs
