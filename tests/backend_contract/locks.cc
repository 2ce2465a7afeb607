#include <fcntl.h>
#include <sys/file.h>

#include <atomic>
#include <thread>

#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"

namespace claimfs::tests {

namespace {

RangeLock range(short type, std::uint64_t start, std::uint64_t end, std::uint64_t owner) {
  RangeLock lock;
  lock.type = type;
  lock.start = start;
  lock.end = end;
  lock.owner = owner;
  return lock;
}

Result<void> set(Volume& volume, Inode& inode, const RangeLock& lock, bool wait = false) {
  return ask<void>(
      [&](auto answer) { volume.backend().set_lock(inode, lock, wait, std::move(answer)); });
}

Result<RangeLock> test(Volume& volume, Inode& inode, const RangeLock& lock) {
  return ask<RangeLock>(
      [&](auto answer) { volume.backend().test_lock(inode, lock, std::move(answer)); });
}

void drop(Volume& volume, Inode& inode, std::uint64_t owner) {
  CHECK(ask<void>(
      [&](auto answer) { volume.backend().drop_locks(inode, owner, std::move(answer)); }));
}

constexpr std::uint64_t kToTheEnd = INT64_MAX;

void range_locks_exclude_other_owners(Volume& volume) {
  Inode& file = *volume.put(volume.root(), "file", "0123456789").inode;
  REQUIRE(code_of(set(volume, file, range(F_WRLCK, 0, 99, 1))) == 0);
  CHECK(code_of(set(volume, file, range(F_RDLCK, 50, 60, 2))) == EAGAIN);
  CHECK(code_of(set(volume, file, range(F_WRLCK, 99, kToTheEnd, 2))) == EAGAIN);
  CHECK(set(volume, file, range(F_WRLCK, 100, kToTheEnd, 2)));
  CHECK(set(volume, file, range(F_RDLCK, 10, 20, 1)));  // one's own are no obstacle
  const auto holder = test(volume, file, range(F_WRLCK, 0, 5, 2));
  REQUIRE(holder);
  CHECK(holder->type == F_WRLCK);
  CHECK(holder->start == 0);
  CHECK(holder->end == 9);
  CHECK(test(volume, file, range(F_RDLCK, 10, 20, 2))->type == F_UNLCK);
  CHECK(test(volume, file, range(F_WRLCK, 0, 5, 1))->type == F_UNLCK);
  const auto stranger = test(volume, file, range(F_RDLCK, 200, 300, 3));
  REQUIRE(stranger);
  CHECK(stranger->type == F_WRLCK);
  CHECK(stranger->start == 100);
  CHECK(stranger->end == kToTheEnd);
  REQUIRE(set(volume, file, range(F_UNLCK, 0, 99, 1)));
  CHECK(set(volume, file, range(F_WRLCK, 0, 99, 3)));
  drop(volume, file, 3);
  CHECK(set(volume, file, range(F_WRLCK, 0, 99, 1)));
  drop(volume, file, 1);
  drop(volume, file, 2);
  drop(volume, file, 42);  // who holds none
}

void read_locks_are_shared(Volume& volume) {
  Inode& file = *volume.put(volume.root(), "file", "").inode;
  CHECK(set(volume, file, range(F_RDLCK, 0, 10, 1)));
  CHECK(set(volume, file, range(F_RDLCK, 5, 15, 2)));
  CHECK(code_of(set(volume, file, range(F_WRLCK, 0, 10, 1))) == EAGAIN);
  drop(volume, file, 2);
  CHECK(set(volume, file, range(F_WRLCK, 0, 10, 1)));
  Inode& other = *volume.put(volume.root(), "other", "").inode;
  CHECK(set(volume, other, range(F_WRLCK, 0, 10, 2)));  // another file's are another matter
  drop(volume, file, 1);
  drop(volume, other, 2);
}

void waiting_locks_are_granted_at_last(Volume& volume) {
  Inode& file = *volume.put(volume.root(), "file", "").inode;
  REQUIRE(set(volume, file, range(F_WRLCK, 0, 10, 1)));
  std::atomic<bool> is_granted{false};
  Result<void> granted;
  std::thread waiting([&] {
    granted = set(volume, file, range(F_WRLCK, 5, 6, 2), true);
    is_granted = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK_FALSE(is_granted.load());
  drop(volume, file, 1);
  waiting.join();
  CHECK(granted);
  CHECK(code_of(set(volume, file, range(F_RDLCK, 0, 10, 1))) == EAGAIN);
  drop(volume, file, 2);
}

void file_locks_belong_to_open_files(Volume& volume) {
  Inode& inode = *volume.put(volume.root(), "file", "").inode;
  const auto flock = [&](File& file, int operation, bool wait = false) {
    return code_of(ask<void>(
        [&](auto answer) { volume.backend().flock(file, operation, wait, std::move(answer)); }));
  };
  auto one = volume.open(inode, O_RDWR);
  auto two = volume.open(inode, O_RDONLY);
  REQUIRE((one && two));
  CHECK(flock(**one, LOCK_SH) == 0);
  CHECK(flock(**two, LOCK_SH) == 0);
  CHECK(flock(**one, LOCK_EX) == EAGAIN);
  CHECK(flock(**two, LOCK_UN) == 0);
  CHECK(flock(**one, LOCK_EX) == 0);
  CHECK(flock(**two, LOCK_SH) == EAGAIN);
  one->reset();  // the last close lets go
  CHECK(flock(**two, LOCK_EX, true) == 0);
}

constexpr Conformance kConformances[] = {
    {"range locks exclude other owners", range_locks_exclude_other_owners},
    {"read locks are shared", read_locks_are_shared},
    {"waiting locks are granted at last", waiting_locks_are_granted_at_last},
    {"file locks belong to open files", file_locks_belong_to_open_files},
};

}  // namespace

std::span<const Conformance> conformances_of_locks() { return kConformances; }

}  // namespace claimfs::tests
