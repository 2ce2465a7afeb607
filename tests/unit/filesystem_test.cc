#include "fs/filesystem.h"

#include <fcntl.h>
#include <sys/file.h>

#include <future>

#include "tests/unit/furnished_tree.h"

namespace claimfs::fs {

using tests::code_of;

TEST_CASE("a lock whose grant was dropped is free again", "[fs]") {
  Furnished on;
  const auto set = [&](std::uint64_t owner) {
    return code<void>(on, [&](auto answer) {
      on.tree.filesystem.set_lock(*on.handle, range(F_WRLCK, owner), false,
                                  std::make_shared<NoInterruption>(), std::move(answer));
    });
  };
  on.tree.drops_replies = true;
  CHECK(set(1) == 0);
  on.tree.drops_replies = false;
  CHECK(set(2) == 0);
  CHECK(set(1) == EAGAIN);
  const auto holder = on.tree.ask<backends::RangeLock>([&](auto answer) {
    on.tree.filesystem.test_lock(on.file, range(F_WRLCK, 1), std::move(answer));
  });
  CHECK(holder->owner == 2);
  // close(2) by its owner lets go; another's close does not.
  const auto flush = [&](std::uint64_t owner) {
    CHECK(code<void>(on, [&](auto answer) {
            on.tree.filesystem.flush(on.tree.caller, *on.handle, owner, std::move(answer));
          }) == 0);
  };
  flush(1);
  CHECK(set(1) == EAGAIN);
  flush(2);
  CHECK(set(1) == 0);
  // The last close of the open file lets go of what no close has named.
  on.tree.release(on.handle);
  on.handle = on.tree.open(on.file, O_RDWR).value();
  CHECK(set(2) == 0);
  check_nothing_is_left(on);
}

TEST_CASE("who asks for the lock of a file that is being closed is not refused", "[fs]") {
  Furnished on;
  const auto lock = [&](Handle* handle) {
    return code<void>(on, [&](auto answer) {
      on.tree.filesystem.flock(*handle, LOCK_EX | LOCK_NB, std::make_shared<NoInterruption>(),
                               std::move(answer));
    });
  };
  Handle* other = on.tree.open(on.file, O_RDWR).value();
  REQUIRE(lock(on.handle) == 0);
  CHECK(lock(other) == EAGAIN);
  // close(2) has returned; the kernel's RELEASE comes while the other one asks.
  const auto close = [&](Handle* handle) {
    REQUIRE(code<void>(on, [&](auto answer) {
              on.tree.filesystem.flush(on.tree.caller, *handle, 1, std::move(answer));
            }) == 0);
  };
  close(on.handle);
  auto asked = std::async(std::launch::async, [&] { return lock(other); });
  CHECK(asked.wait_for(std::chrono::milliseconds(5)) == std::future_status::timeout);
  close(on.handle);  // a slow machine's moment begins anew
  on.tree.release(on.handle);
  CHECK(asked.get() == 0);
  // A descriptor that was closed while others of the same file are left: refused, after a moment.
  on.handle = on.tree.open(on.file, O_RDWR).value();
  close(other);
  CHECK(lock(on.handle) == EAGAIN);
  check_nothing_is_left(on);
}

TEST_CASE("a new file's contents are where they belong", "[fs]") {
  Furnished on;
  CHECK(on.tree.read(*on.handle).value_or("?") == "text");
  Handle* appending = on.tree.open(on.file, O_WRONLY | O_APPEND).value();
  CHECK(on.tree.write(*appending, "-end", 0) == 4U);
  CHECK(on.tree.read(*on.handle).value_or("?") == "text-end");
  REQUIRE(on.tree.open(on.file, O_WRONLY | O_TRUNC));
  CHECK(on.tree.read(*on.handle).value_or("?").empty());
  // A listing's counts are the kernel's: one for each name that it was given with its node.
  WrittenNames writer(true, 4);
  REQUIRE(on.tree.list(*on.listing, writer));
  REQUIRE(writer.names.size() == 4);
  std::vector<std::string> seen;
  std::uint64_t cursor = 0;
  while (true) {
    WrittenNames part(true, 2);
    REQUIRE(on.tree.list(*on.listing, part, cursor));
    if (part.names.empty()) break;
    for (const auto& name : part.names) {
      seen.push_back(name.name);
      CHECK((name.node != 0) == (name.name != "." && name.name != ".."));
      if (name.node != 0)
        CHECK(on.tree.filesystem.nodes().find(name.node)->lookups == on.tree.lookups[name.node]);
    }
    cursor = part.names.back().next;
  }
  CHECK(seen == std::vector<std::string>{".", "..", "directory", "file", "link"});
  check_nothing_is_left(on);
}

TEST_CASE("a removed file stays usable while the kernel knows it", "[fs]") {
  Furnished on;
  REQUIRE(on.tree.ask<void>([&](auto answer) {
    on.tree.filesystem.unlink(on.tree.caller, on.root, "file", std::move(answer));
  }));
  CHECK(code_of(on.tree.lookup(on.root, "file")) == ENOENT);
  CHECK(on.tree.read(*on.handle).value_or("?") == "text");
  const auto told = on.tree.ask<NodeAttributes>([&](auto answer) {
    on.tree.filesystem.get_attributes(on.tree.caller, on.file, nullptr, std::move(answer));
  });
  REQUIRE(told);
  CHECK(told->attributes.nlink == 0);
  CHECK(on.tree.open(on.file, O_RDWR));
  check_nothing_is_left(on);
}

}  // namespace claimfs::fs
