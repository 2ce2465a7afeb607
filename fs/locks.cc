#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <thread>

#include "fs/filesystem.h"

namespace claimfs::fs {

namespace {

// How long after a FLUSH its RELEASE may take to come.
constexpr std::chrono::nanoseconds kClosing = std::chrono::milliseconds{50};
constexpr std::chrono::milliseconds kAgain{1};

std::int64_t now() {
  const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(since_boot).count();
}

}  // namespace

// Locks are taken on the backing file, so that they hold against the host and other mounts too. The
// book knows what the backing file cannot tell (lock_book.h). A lock that is waited for is waited
// for on a thread of its own.

// What a lock is taken with, whichever kind it is.
struct Filesystem::LockRequest {
  Node& node;
  bool wait = false;
  std::shared_ptr<Interruption> interruption;
  std::function<void(bool wait, Answer<void>)> ask;  // the backend
  // Tells the taker; undoes what he does not want any more.
  std::function<bool(Answer<void>&)> grant;
  std::function<Result<void>()> begin_wait = [] { return Result<void>(); };
  std::function<void()> end_wait = [] {};
};

void Filesystem::take_lock(std::shared_ptr<LockRequest> request, Answer<void> answer) {
  LockRequest& lock = *request;
  lock.ask(false, [this, request = std::move(request),
                   answer = std::move(answer)](Result<void> at_once) mutable {
    if (at_once) return request->grant(answer);
    if (at_once.error().code != EAGAIN) return answer.complete(std::move(at_once));
    if (request->wait) return wait_for_lock(std::move(request), std::move(answer));
    if (now() < request->node.closing_until.load())
      return try_while_closing(std::move(request), std::move(answer));
    return answer.complete(std::move(at_once));
  });
}

bool Filesystem::wait_for_lock(std::shared_ptr<LockRequest> request, Answer<void> answer) {
  if (const Result<void> may_wait = request->begin_wait(); !may_wait)
    return answer.complete(may_wait);
  auto shared = std::make_shared<Answer<void>>(std::move(answer));
  const bool is_waiting = waits_.run(
      [&request](WaitingThreads::GiveUp give_up) {
        request->interruption->on_interrupt(std::move(give_up));
      },
      // The interruption lasts as long as the wait.
      [request, shared] {
        request->ask(true, [request, shared](Result<void> result) {
          request->end_wait();
          return result ? request->grant(*shared) : shared->complete(std::move(result));
        });
      });
  if (is_waiting) return true;
  request->end_wait();
  return shared->fail(ENOLCK);
}

// A file that is closed lets go of its whole-file and OFD locks with its RELEASE, which the kernel
// sends after close(2) has returned. Whoever comes in that moment, and would be refused, tries
// again, on a thread that may sleep.
void Filesystem::note_closing(Handle& handle) {
  if (handle.may_hold_locks.load()) handle.node->closing_until.store(now() + kClosing.count());
}

bool Filesystem::try_while_closing(std::shared_ptr<LockRequest> request, Answer<void> answer) {
  auto shared = std::make_shared<Answer<void>>(std::move(answer));
  const auto try_once = [request] {
    std::promise<Result<void>> tried;
    request->ask(false, [&tried](Result<void> result) {
      tried.set_value(std::move(result));
      return true;
    });
    return tried.get_future().get();
  };
  const bool is_trying = waits_.run([](const WaitingThreads::GiveUp&) {},
                                    [request, shared, try_once] {
                                      Result<void> result = try_once();
                                      bool is_last = false;
                                      while (!result && result.error().code == EAGAIN && !is_last) {
                                        std::this_thread::sleep_for(kAgain);
                                        is_last = now() >= request->node.closing_until.load();
                                        result = try_once();
                                      }
                                      if (result)
                                        request->grant(*shared);
                                      else
                                        shared->complete(std::move(result));
                                    });
  return is_trying || shared->fail(EAGAIN);
}

void Filesystem::test_lock(NodeId id, const RangeLock& lock, Answer<RangeLock> answer) {
  Result<Node*> found = node_for(Access::Look, id, {});
  if (!found) return answer.refuse(found.error());
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
  const auto grant = [this, &node, &backend, lock](Answer<void>& to) {
    locks_.set(node.id, lock);
    const bool taken = to.complete({});
    if (taken) return true;
    RangeLock none = lock;
    none.type = F_UNLCK;
    locks_.set(node.id, none);
    backend.set_lock(node.inode(), none, false, [](Result<void>) { return true; });
    return false;
  };
  take_lock(std::make_shared<LockRequest>(LockRequest{
                .node = node,
                .wait = wait,
                .interruption = std::move(interruption),
                .ask =
                    [&node, &backend, lock](bool waiting, Answer<void> to) {
                      backend.set_lock(node.inode(), lock, waiting, std::move(to));
                    },
                .grant = grant,
                .begin_wait = [this, &node, lock] { return locks_.begin_wait(node.id, lock); },
                .end_wait = [this, &node, lock] { locks_.end_wait(node.id, lock); }}),
            std::move(answer));
}

void Filesystem::flock(Handle& handle, int operation, std::shared_ptr<Interruption> interruption,
                       Answer<void> answer) {
  backends::Backend& backend = handle.node->volume->backend();
  handle.may_hold_locks.store(true);
  const auto grant = [&handle, &backend](Answer<void>& to) {
    const bool taken = to.complete({});
    if (!taken) backend.flock(*handle.file, LOCK_UN, false, [](Result<void>) { return true; });
    return taken;
  };
  const int wanted = operation & ~LOCK_NB;
  take_lock(std::make_shared<LockRequest>(
                LockRequest{.node = *handle.node,
                            .wait = (operation & LOCK_NB) == 0,
                            .interruption = std::move(interruption),
                            .ask =
                                [&handle, &backend, wanted](bool waiting, Answer<void> to) {
                                  backend.flock(*handle.file, wanted, waiting, std::move(to));
                                },
                            .grant = grant}),
            std::move(answer));
}

void Filesystem::drop_locks_of(Handle& handle, std::uint64_t owner) {
  Node& node = *handle.node;
  // A lock that was asked for and not granted leaves something with the backend too.
  if (!handle.may_hold_locks.load() && !locks_.holds_any(node.id, owner)) return;
  locks_.drop(node.id, owner);
  node.volume->backend().drop_locks(node.inode(), owner, [](Result<void>) { return true; });
}

}  // namespace claimfs::fs
