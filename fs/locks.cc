#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "fs/filesystem.h"

namespace claimfs::fs {

// Locks are taken on the backing file, so that they hold against the host and other mounts too. The
// book knows what the backing file cannot tell (lock_book.h). A lock that is waited for is waited
// for on a thread of its own.

void Filesystem::test_lock(NodeId id, const RangeLock& lock, Answer<RangeLock> answer) {
  Result<Node*> found = node_in_use(id);
  if (!found) {
    answer.complete(failure(std::move(found).error()));
    return;
  }
  if (const auto ours = locks_.conflict(id, lock)) {
    answer.complete(*ours);
    return;
  }
  (*found)->volume->backend().test_lock((*found)->inode(), lock, std::move(answer));
}

void Filesystem::set_lock(Handle& handle, const RangeLock& lock, bool wait,
                          std::shared_ptr<Interruption> interruption, Answer<void> answer) {
  Node& node = *handle.node;
  {
    std::scoped_lock held(handle.lock_owners_mutex);
    if (std::ranges::find(handle.lock_owners, lock.owner) == handle.lock_owners.end())
      handle.lock_owners.push_back(lock.owner);
  }
  handle.may_hold_locks.store(true);
  backends::Backend& backend = node.volume->backend();
  if (lock.type == F_UNLCK) {
    locks_.set(node.id, lock);
    backend.set_lock(node.inode(), lock, false, std::move(answer));
    return;
  }
  // A granted lock goes into the book before its taker can know of it, and out again when he does
  // not want it any more.
  const auto granted = [this, &node, &backend, lock](Answer<void>& to) {
    locks_.set(node.id, lock);
    const bool taken = to.complete({});
    if (taken) return true;
    RangeLock none = lock;
    none.type = F_UNLCK;
    locks_.set(node.id, none);
    backend.set_lock(node.inode(), none, false, [](Result<void>) { return true; });
    return false;
  };
  backend.set_lock(node.inode(), lock, false,
                   [this, &node, &backend, interruption = std::move(interruption), lock, wait,
                    granted, answer = std::move(answer)](Result<void> at_once) mutable {
                     if (at_once) return granted(answer);
                     if (at_once.error().code != EAGAIN || !wait)
                       return answer.complete(std::move(at_once));
                     if (const Result<void> may_wait = locks_.begin_wait(node.id, lock); !may_wait)
                       return answer.complete(may_wait);
                     auto shared = std::make_shared<Answer<void>>(std::move(answer));
                     const bool is_waiting = waits_.run(
                         [&interruption](WaitingThreads::GiveUp give_up) {
                           interruption->on_interrupt(std::move(give_up));
                         },
                         // The interruption lasts as long as the wait.
                         [this, &node, &backend, lock, granted, shared, interruption] {
                           backend.set_lock(
                               node.inode(), lock, true,
                               [this, &node, lock, granted, shared](Result<void> result) {
                                 locks_.end_wait(node.id, lock);
                                 return result ? granted(*shared)
                                               : shared->complete(std::move(result));
                               });
                         });
                     if (is_waiting) return true;
                     locks_.end_wait(node.id, lock);
                     return shared->fail(ENOLCK);
                   });
}

void Filesystem::flock(Handle& handle, int operation, std::shared_ptr<Interruption> interruption,
                       Answer<void> answer) {
  backends::Backend& backend = handle.node->volume->backend();
  const bool wait = (operation & LOCK_NB) == 0;
  const int wanted = operation & ~LOCK_NB;
  backend.flock(*handle.file, wanted, false,
                [this, &handle, &backend, interruption = std::move(interruption), wanted, wait,
                 answer = std::move(answer)](Result<void> at_once) mutable {
                  if (at_once || at_once.error().code != EAGAIN || !wait)
                    return answer.complete(std::move(at_once));
                  auto shared = std::make_shared<Answer<void>>(std::move(answer));
                  const bool is_waiting = waits_.run(
                      [&interruption](WaitingThreads::GiveUp give_up) {
                        interruption->on_interrupt(std::move(give_up));
                      },
                      [&handle, &backend, wanted, shared, interruption] {
                        backend.flock(*handle.file, wanted, true,
                                      [&handle, &backend, shared](Result<void> result) {
                                        const bool is_held = result.has_value();
                                        const bool taken = shared->complete(std::move(result));
                                        if (is_held && !taken)
                                          backend.flock(*handle.file, LOCK_UN, false,
                                                        [](Result<void>) { return true; });
                                        return taken;
                                      });
                      });
                  return is_waiting || shared->fail(ENOLCK);
                });
}

void Filesystem::drop_locks_of(Handle& handle, std::uint64_t owner) {
  Node& node = *handle.node;
  // A lock that was asked for and not granted leaves something with the backend too.
  if (!handle.may_hold_locks.load() && !locks_.holds_any(node.id, owner)) return;
  locks_.drop(node.id, owner);
  node.volume->backend().drop_locks(node.inode(), owner, [](Result<void>) { return true; });
}

}  // namespace claimfs::fs
