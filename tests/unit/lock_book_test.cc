#include "fs/lock_book.h"

#include <fcntl.h>

#include <array>
#include <random>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::fs {

namespace {

RangeLock lock(short type, std::uint64_t start, std::uint64_t end, std::uint64_t owner) {
  RangeLock made;
  made.type = type;
  made.start = start;
  made.end = end;
  made.owner = owner;
  made.pid = static_cast<pid_t>(owner * 100);
  return made;
}

constexpr LockBook::NodeId kNode = 7;

}  // namespace

TEST_CASE("locks in each other's way", "[locks]") {
  struct Row {
    const char* name;
    RangeLock held;
    RangeLock wanted;
    bool is_conflict;
  };
  const Row rows[] = {
      {.name = "two readers",
       .held = lock(F_RDLCK, 0, 9, 1),
       .wanted = lock(F_RDLCK, 0, 9, 2),
       .is_conflict = false},
      {.name = "reader, writer",
       .held = lock(F_RDLCK, 0, 9, 1),
       .wanted = lock(F_WRLCK, 0, 9, 2),
       .is_conflict = true},
      {.name = "writer, reader",
       .held = lock(F_WRLCK, 0, 9, 1),
       .wanted = lock(F_RDLCK, 0, 9, 2),
       .is_conflict = true},
      {.name = "one's own",
       .held = lock(F_WRLCK, 0, 9, 1),
       .wanted = lock(F_WRLCK, 0, 9, 1),
       .is_conflict = false},
      {.name = "last byte",
       .held = lock(F_WRLCK, 0, 9, 1),
       .wanted = lock(F_WRLCK, 9, 20, 2),
       .is_conflict = true},
      {.name = "behind",
       .held = lock(F_WRLCK, 0, 9, 1),
       .wanted = lock(F_WRLCK, 10, 20, 2),
       .is_conflict = false},
      {.name = "before",
       .held = lock(F_WRLCK, 10, 20, 1),
       .wanted = lock(F_WRLCK, 0, 9, 2),
       .is_conflict = false},
      {.name = "around",
       .held = lock(F_WRLCK, 5, 5, 1),
       .wanted = lock(F_RDLCK, 0, 9, 2),
       .is_conflict = true},
      {.name = "to the end",
       .held = lock(F_WRLCK, 5, INT64_MAX, 1),
       .wanted = lock(F_RDLCK, 1000, 1000, 2),
       .is_conflict = true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LockBook book;
    book.set(kNode, row.held);
    const auto found = book.conflict(kNode, row.wanted);
    CHECK(found.has_value() == row.is_conflict);
    if (found) CHECK(found->pid == row.held.pid);
    CHECK_FALSE(book.conflict(kNode + 1, row.wanted));
  }
}

TEST_CASE("the first conflict in the file is told", "[locks]") {
  LockBook book;
  book.set(kNode, lock(F_WRLCK, 50, 59, 2));
  book.set(kNode, lock(F_WRLCK, 10, 19, 3));
  const auto found = book.conflict(kNode, lock(F_WRLCK, 0, 100, 1));
  REQUIRE(found);
  CHECK(found->owner == 3);
}

TEST_CASE("unlocking splits, dropping and forgetting take all", "[locks]") {
  LockBook book;
  book.set(kNode, lock(F_WRLCK, 0, 99, 1));
  book.set(kNode, lock(F_UNLCK, 40, 59, 1));
  CHECK(book.conflict(kNode, lock(F_RDLCK, 39, 39, 2)));
  CHECK_FALSE(book.conflict(kNode, lock(F_RDLCK, 40, 59, 2)));
  CHECK(book.conflict(kNode, lock(F_RDLCK, 60, 60, 2)));
  CHECK(book.holds_any(kNode, 1));
  CHECK_FALSE(book.holds_any(kNode, 2));
  book.drop(kNode, 2);
  CHECK(book.holds_any(kNode, 1));
  book.drop(kNode, 1);
  CHECK_FALSE(book.holds_any(kNode, 1));
  book.set(kNode, lock(F_RDLCK, 0, 9, 1));
  book.forget(kNode);
  CHECK_FALSE(book.holds_any(kNode, 1));
  CHECK_FALSE(book.conflict(kNode, lock(F_WRLCK, 0, 9, 2)));
}

TEST_CASE("a wait that would never end is a deadlock", "[locks]") {
  LockBook book;
  book.set(1, lock(F_WRLCK, 0, 0, 1));
  book.set(2, lock(F_WRLCK, 0, 0, 2));
  book.set(3, lock(F_WRLCK, 0, 0, 3));
  REQUIRE(book.begin_wait(2, lock(F_WRLCK, 0, 0, 1)));  // 1 waits for 2
  SECTION("of two") {
    CHECK(book.begin_wait(1, lock(F_RDLCK, 0, 0, 2)).error().code == EDEADLK);
    book.end_wait(2, lock(F_WRLCK, 0, 0, 1));
    CHECK(book.begin_wait(1, lock(F_RDLCK, 0, 0, 2)));
  }
  SECTION("of three") {
    REQUIRE(book.begin_wait(3, lock(F_WRLCK, 0, 0, 2)));  // 2 waits for 3
    CHECK(book.begin_wait(1, lock(F_WRLCK, 0, 0, 3)).error().code == EDEADLK);
    CHECK(book.begin_wait(1, lock(F_WRLCK, 0, 0, 4)));  // a bystander may wait
  }
  SECTION("threads of one process wait for several") {
    REQUIRE(book.begin_wait(3, lock(F_WRLCK, 0, 0, 1)));
    CHECK(book.begin_wait(1, lock(F_WRLCK, 0, 0, 2)).error().code == EDEADLK);
    CHECK(book.begin_wait(1, lock(F_WRLCK, 0, 0, 3)).error().code == EDEADLK);
    book.end_wait(2, lock(F_WRLCK, 0, 0, 1));
    CHECK(book.begin_wait(1, lock(F_WRLCK, 0, 0, 2)));
  }
  SECTION("readers of one byte do not wait for each other") {
    book.set(1, lock(F_RDLCK, 0, 0, 1));
    CHECK(book.begin_wait(1, lock(F_RDLCK, 0, 0, 2)));
  }
}

TEST_CASE("random locks agree with a book of single bytes", "[locks]") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto pick = [&](unsigned bound) {
    return std::uniform_int_distribution<unsigned>(0, bound - 1)(random);
  };
  constexpr unsigned kBytes = 24;
  constexpr unsigned kOwners = 3;
  constexpr unsigned kNodes = 2;
  // For each node and byte, what each owner holds.
  std::array<std::array<std::array<short, kOwners>, kBytes>, kNodes> model;
  for (auto& node : model)
    for (auto& byte : node) byte.fill(F_UNLCK);
  LockBook book;
  const auto conflicts = [&](unsigned node, const RangeLock& wanted) {
    for (std::uint64_t byte = wanted.start; byte <= wanted.end; ++byte)
      for (unsigned owner = 0; owner < kOwners; ++owner) {
        const short held = model[node][byte][owner];
        if (owner != wanted.owner && held != F_UNLCK && (held == F_WRLCK || wanted.type == F_WRLCK))
          return true;
      }
    return false;
  };
  for (int step = 0; step < 5'000; ++step) {
    const unsigned node = pick(kNodes);
    const unsigned owner = pick(kOwners);
    const unsigned first = pick(kBytes);
    const unsigned second = pick(kBytes);
    const RangeLock wanted = lock(std::array<short, 3>{F_RDLCK, F_WRLCK, F_UNLCK}[pick(3)],
                                  std::min(first, second), std::max(first, second), owner);
    if (pick(50) == 0) {
      book.drop(node, owner);
      for (auto& byte : model[node]) byte[owner] = F_UNLCK;
    } else if (pick(200) == 0) {
      book.forget(node);
      for (auto& byte : model[node]) byte.fill(F_UNLCK);
    } else if (wanted.type == F_UNLCK || !conflicts(node, wanted)) {
      if (wanted.type != F_UNLCK) REQUIRE_FALSE(book.conflict(node, wanted));
      book.set(node, wanted);
      for (std::uint64_t byte = wanted.start; byte <= wanted.end; ++byte)
        model[node][byte][owner] = wanted.type;
    } else {
      const auto found = book.conflict(node, wanted);
      REQUIRE(found);
      REQUIRE(found->owner != owner);
    }
    bool holds = false;
    for (const auto& byte : model[node]) holds = holds || byte[owner] != F_UNLCK;
    REQUIRE(book.holds_any(node, owner) == holds);
    for (unsigned byte = 0; byte < kBytes; ++byte)
      for (const short type : {F_RDLCK, F_WRLCK}) {
        const RangeLock probe = lock(type, byte, byte, kOwners);  // a stranger
        bool is_free = true;
        for (const short held : model[node][byte])
          is_free = is_free && (held == F_UNLCK || (held == F_RDLCK && type == F_RDLCK));
        REQUIRE(book.conflict(node, probe).has_value() == !is_free);
      }
  }
}

}  // namespace claimfs::fs
