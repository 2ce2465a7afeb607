#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>
#include <set>

#include "backends/host_path.h"
#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"
#include "tests/unit/scratch.h"

namespace claimfs::fs {

namespace {

using tests::code_of;

// A claim on a host directory: what only native files have.
struct Native {
  explicit Native(Effects effects = {}) : tree(std::move(effects)) {
    REQUIRE(::mkdtemp(path.data()));
    tree.add(MountedTree::claim("data"),
             backends::make_host_path_backend({.path = path, .type = "", .is_local = false}));
    root = tree.at({"ns", "data"});
  }
  ~Native() {
    tree.forget_all();
    std::filesystem::remove_all(path);
  }
  std::string path = tests::scratch("native");
  MountedTree tree;
  NodeId root = 0;
};

struct CountingDoor final : PassthroughDoor {
  Result<int> admit(int native_descriptor) override {
    ++asked;
    if (refusal != 0) return failure(refusal);
    CHECK(::fcntl(native_descriptor, F_GETFD) >= 0);
    open.insert(++last);
    return last;
  }
  void dismiss(int backing_id) override { CHECK(open.erase(backing_id) == 1); }
  int refusal = 0;
  int asked = 0;
  int last = 0;
  std::set<int> open;
};

Result<OpenReply> open_reply(MountedTree& tree, NodeId node, int flags) {
  return tree.ask<OpenReply>([&](auto answer) {
    tree.filesystem.open(tree.caller, node, flags, false, std::move(answer));
  });
}

backends::RangeLock range(std::uint64_t start, std::uint64_t owner) {
  backends::RangeLock lock;
  lock.type = F_WRLCK;
  lock.start = lock.end = start;
  lock.owner = owner;
  return lock;
}

}  // namespace

TEST_CASE("all opens of a file agree on the native file", "[passthrough]") {
  CountingDoor door;
  {
    Native native;
    MountedTree& tree = native.tree;
    tree.filesystem.set_passthrough_door(&door);
    const auto file = tree.create(native.root, "file").value();
    CHECK(door.asked == 1);
    const auto reader = open_reply(tree, file.node, O_RDONLY);
    const auto writer = open_reply(tree, file.node, O_RDWR);
    REQUIRE((reader && writer));
    CHECK(reader->backing_id == 1);
    CHECK(writer->backing_id == 1);
    CHECK(door.asked == 1);  // the kernel's name is asked for once
    while (!tree.handles.empty()) tree.release(tree.handles.back());
    CHECK(open_reply(tree, file.node, O_RDONLY)->backing_id ==
          1);  // and kept until the kernel forgets the file
    CHECK(door.open.size() == 1);
    tree.drops_replies = true;
    CHECK(open_reply(tree, file.node, O_RDONLY));
    tree.drops_replies = false;
    tree.forget_all();
    CHECK(door.open.empty());
    tree.filesystem.set_passthrough_door(nullptr);
  }
}

TEST_CASE("a file that is open through the page cache stays so", "[passthrough]") {
  CountingDoor door;
  Native native;
  MountedTree& tree = native.tree;
  tree.filesystem.set_passthrough_door(&door);
  door.refusal = ENOMEM;  // of the moment
  const auto file = tree.create(native.root, "file").value();
  door.refusal = 0;
  CHECK(open_reply(tree, file.node, O_RDONLY)->backing_id == 0);
  CHECK(door.open.empty());
  while (!tree.handles.empty()) tree.release(tree.handles.back());
  CHECK(open_reply(tree, file.node, O_RDONLY)->backing_id == 1);
  // What the kernel refuses for good is not asked for again.
  door.refusal = EOPNOTSUPP;
  const auto other = tree.create(native.root, "other").value();
  const int asked = door.asked;
  REQUIRE(open_reply(tree, other.node, O_RDONLY));
  CHECK(door.asked == asked);
  CHECK(tree.volumes.front()->passthrough_refusal() == EOPNOTSUPP);
  tree.forget_all();
  CHECK(door.open.empty());
  tree.filesystem.set_passthrough_door(nullptr);
}

TEST_CASE("nothing is passed through that others could not be told of", "[passthrough]") {
  CountingDoor door;
  int told = 0;
  bool is_deaf = true;
  Effects effects;
  effects.note_passthrough = [&](const ServedClaim& claim) -> Result<void> {
    ++told;
    CHECK(claim.name == "data");
    if (is_deaf) return failure(EIO);
    return {};
  };
  Native native(std::move(effects));
  MountedTree& tree = native.tree;
  tree.filesystem.set_passthrough_door(&door);
  const auto file = tree.create(native.root, "file").value();
  CHECK(told == 1);
  CHECK(door.open.empty());
  while (!tree.handles.empty()) tree.release(tree.handles.back());
  // The next open asks again, and from then on it is known.
  is_deaf = false;
  CHECK(open_reply(tree, file.node, O_RDONLY)->backing_id > 0);
  const auto other = tree.create(native.root, "other").value();
  CHECK(open_reply(tree, other.node, O_RDONLY)->backing_id > 0);
  CHECK(told == 2);
  // Another attachment is told of anew; not where the kernel goes on with what it has.
  tree.volumes.front()->lose();
  const auto third = tree.create(tree.at({"ns", "data"}), "third");
  REQUIRE(third);
  CHECK(told == 3);
  tree.forget_all();
  CHECK(door.open.empty());
  tree.filesystem.set_passthrough_door(nullptr);
}

TEST_CASE("a set-id file's attributes are not believed, and its writes come to us",
          "[passthrough]") {
  CountingDoor door;
  Native native;
  MountedTree& tree = native.tree;
  tree.filesystem.set_passthrough_door(&door);
  const auto file = tree.create(native.root, "file").value();
  tree.release(file.handle);
  const auto change = [&](mode_t mode) {
    return tree.ask<NodeAttributes>([&](auto answer) {
      tree.filesystem.set_attributes(tree.caller, file.node, nullptr, {.mode = mode},
                                     std::move(answer));
    });
  };
  CHECK(change(0755)->trust_seconds == kTrustSeconds);
  CHECK(change(04755)->trust_seconds == 0);
  CHECK(open_reply(tree, file.node, O_WRONLY)->direct_io);
  CHECK(change(0755)->trust_seconds == 0);  // a silent writer
  while (!tree.handles.empty()) tree.release(tree.handles.back());
  CHECK(change(0755)->trust_seconds == kTrustSeconds);
  tree.forget_all();
  tree.filesystem.set_passthrough_door(nullptr);
}

TEST_CASE("a lock that is waited for is granted, given up, or a deadlock", "[locks]") {
  Native native;
  MountedTree& tree = native.tree;
  const auto file = tree.create(native.root, "file").value();
  const auto ask_for = [&](const backends::RangeLock& lock, bool wait,
                           std::shared_ptr<NoInterruption> interruption,
                           std::promise<int>& answered) {
    tree.filesystem.set_lock(*file.handle, lock, wait, std::move(interruption),
                             [&answered](Result<void> result) {
                               answered.set_value(code_of(result));
                               return true;
                             });
  };
  const auto set = [&](const backends::RangeLock& lock, bool wait = false) {
    std::promise<int> answered;
    ask_for(lock, wait, std::make_shared<NoInterruption>(), answered);
    return answered.get_future().get();
  };
  const auto unlock = [&](backends::RangeLock lock) {
    lock.type = F_UNLCK;
    CHECK(set(lock) == 0);
  };
  REQUIRE(set(range(0, 1)) == 0);
  REQUIRE(set(range(1, 2)) == 0);
  // Nobody but the waiting request keeps its interruption.
  std::weak_ptr<NoInterruption> interruption;
  std::promise<int> waited;
  {
    auto of_request = std::make_shared<NoInterruption>();
    interruption = of_request;
    ask_for(range(1, 1), true, std::move(of_request), waited);  // 1 waits for 2
  }
  auto answer = waited.get_future();
  CHECK(answer.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  REQUIRE_FALSE(interruption.expired());
  CHECK(set(range(0, 2), true) == EDEADLK);
  SECTION("granted") {
    unlock(range(1, 2));
    CHECK(answer.get() == 0);
    CHECK(set(range(1, 2)) == EAGAIN);
  }
  SECTION("given up") {
    const auto give_up_now = interruption.lock()->interrupt;
    give_up_now();
    CHECK(answer.get() == EINTR);
    give_up_now();  // late: nothing happens
    std::promise<int> other;
    const auto give_up = std::make_shared<NoInterruption>();
    ask_for(range(0, 2), true, give_up, other);  // no deadlock any more
    auto of_other = other.get_future();
    CHECK(of_other.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
    unlock(range(0, 1));
    CHECK(of_other.get() == 0);
  }
}

TEST_CASE("the end of a filesystem gives up all waits", "[locks]") {
  std::promise<int> waited;
  std::vector<std::unique_ptr<Handle>> left_open;
  std::string path = tests::scratch("native");
  REQUIRE(::mkdtemp(path.data()));
  {
    MountedTree tree;
    tree.add(MountedTree::claim("data"),
             backends::make_host_path_backend({.path = path, .type = "", .is_local = false}));
    const auto file = tree.create(tree.at({"ns", "data"}), "file").value();
    Handle* second = tree.open(file.node, O_RDWR).value();
    REQUIRE(tree.ask<void>([&](auto answer) {
      tree.filesystem.flock(*file.handle, LOCK_EX, std::make_shared<NoInterruption>(),
                            std::move(answer));
    }));
    CHECK(code_of(tree.ask<void>([&](auto answer) {
            tree.filesystem.flock(*second, LOCK_SH | LOCK_NB, std::make_shared<NoInterruption>(),
                                  std::move(answer));
          })) == EAGAIN);
    auto of_request = std::make_shared<NoInterruption>();
    const std::weak_ptr<NoInterruption> interruption = of_request;
    tree.filesystem.flock(*second, LOCK_SH, std::move(of_request), [&](Result<void> result) {
      waited.set_value(code_of(result));
      return true;
    });
    CHECK_FALSE(interruption.expired());
    left_open.emplace_back(file.handle);  // nobody says any more what is closed
    left_open.emplace_back(second);
    tree.handles.clear();
    tree.lookups.clear();
  }
  CHECK(waited.get_future().get() == EINTR);
  std::filesystem::remove_all(path);
}

}  // namespace claimfs::fs
