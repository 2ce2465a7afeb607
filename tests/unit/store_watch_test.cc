#include <signal.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "store/doorbell.h"
#include "store/session_lock.h"
#include "store/state_files.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::store {
namespace {

TEST_CASE("doorbell: hears a ring, and the end of a session's process") {
  Directory directory;
  auto files = create_state_files(directory.database());
  REQUIRE(files);
  Child holder([&](Child& parent) {
    auto lock = SessionLock::take(files->session("held"));
    parent.say(lock ? 'y' : 'n');
    parent.hear();
  });
  REQUIRE(holder.hear() == 'y');
  auto listener = DoorbellListener::open(*files);
  REQUIRE(listener);
  CHECK(is_session_held(files->session("held")));
  CHECK((*listener)->wait(0ms) == DoorbellListener::Heard::Nothing);
  SECTION("a ring") {
    ring_doorbell(*files);
    ring_doorbell(*files);
    CHECK((*listener)->wait(0ms) == DoorbellListener::Heard::Ring);
  }
  SECTION("the end of a process") {
    holder.end(SIGKILL);
    CHECK((*listener)->wait(kLong) == DoorbellListener::Heard::Ring);
    CHECK_FALSE(is_session_held(files->session("held")));
  }
  CHECK((*listener)->wait(0ms) == DoorbellListener::Heard::Nothing);
}

TEST_CASE("store: a watch tells every change once and in order, whoever writes") {
  Directory directory;
  constexpr int kThreads = 3, kObjects = 20;
  // Creates, changes and removes each of its objects: 3 changes an object.
  const auto write_all = [](Store& store, const std::string& prefix) {
    for (int i = 0; i < kObjects; ++i) {
      auto object = store.create(claim(prefix + std::to_string(i)));
      if (object) object->document["spec"]["volumeName"] = "pv";
      if (!object || !store.update(*object) || !store.remove(object->key(), "")) return false;
    }
    return true;
  };
  Child child([&](Child& parent) {
    auto store = open_sqlite_store(directory.database());
    if (parent.hear() == 'g') parent.say(store && write_all(**store, "child-") ? 'y' : 'n');
  });
  auto store = open(directory, kNoSlowLook);
  auto watch = store->watch(0);
  REQUIRE(watch);

  child.say('g');
  std::atomic<int> succeeded = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { succeeded += write_all(*store, std::to_string(i) + "-"); });
  }
  constexpr std::size_t kChanges = (kThreads + 1) * kObjects * 3;
  const std::vector<Change> changes = take(**watch, kChanges);
  for (std::thread& thread : threads) thread.join();
  CHECK(succeeded == kThreads);
  CHECK(child.hear() == 'y');

  REQUIRE(changes.size() == kChanges);
  std::map<std::string, std::vector<const Change*>> by_name;
  bool is_contiguous = true;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    is_contiguous = is_contiguous && changes[i].version == i + 1;
    by_name[changes[i].object.name()].push_back(&changes[i]);
  }
  CHECK(is_contiguous);
  CHECK(by_name.size() == (kThreads + 1) * kObjects);
  bool is_told_rightly = true;
  for (const auto& [name, told] : by_name) {
    is_told_rightly = is_told_rightly && told.size() == 3 && told[0]->type == Change::Type::Put &&
                      told[0]->object.document["spec"]["volumeName"] == "" &&
                      told[1]->type == Change::Type::Put &&
                      told[1]->object.resource_version() == std::to_string(told[1]->version) &&
                      told[2]->type == Change::Type::Removed &&
                      told[2]->object.document == told[1]->object.document;
  }
  CHECK(is_told_rightly);
  CHECK((*watch)->next(0ms)->empty());
}

TEST_CASE("store: a watch begins after the version it is given") {
  Directory directory;
  auto store = open(directory);
  REQUIRE(store->create(claim("a")));
  const Version seen = store->list(Kind::PersistentVolumeClaim)->version;
  REQUIRE(store->create(claim("b")));
  auto watch = store->watch(seen);
  REQUIRE(watch);
  auto changes = (*watch)->next(0ms);
  REQUIRE(changes);
  REQUIRE(changes->size() == 1);
  CHECK(changes->front().object.name() == "b");
}

TEST_CASE("store: wake ends a wait, also one that has not begun") {
  Directory directory;
  auto store = open(directory, kNoSlowLook);
  auto watch = store->watch(0);
  REQUIRE(watch);
  const auto start = std::chrono::steady_clock::now();
  SECTION("before") {
    (*watch)->wake();
    CHECK((*watch)->next(kLong)->empty());
  }
  SECTION("during") {
    std::thread waker([&] { (*watch)->wake(); });
    CHECK((*watch)->next(std::chrono::milliseconds::max())->empty());
    waker.join();
  }
  CHECK(std::chrono::steady_clock::now() - start < kLong);
}

TEST_CASE("store: a watch hears a doorbell that was removed and made again") {
  Directory directory;
  auto store = open(directory, kNoSlowLook);
  auto watch = store->watch(0);
  REQUIRE(watch);
  REQUIRE(std::filesystem::remove(directory.database() + "-doorbell"));
  REQUIRE(store->create(claim("a")));
  CHECK(take(**watch, 1).size() == 1);
  std::thread writer([&] { (void)store->create(claim("b")); });
  CHECK(take(**watch, 1).size() == 1);
  writer.join();
}

TEST_CASE("store: a watch sees by itself what nobody rang for") {
  Directory directory;
  Child writer([&](Child& parent) {
    parent.hear();
    run_raw(directory.database(), "INSERT INTO changes VALUES (1, 'put', 'Pod', '{}')");
  });
  auto store = open(directory, {.slow_look = 10ms});
  auto watch = store->watch(0);
  REQUIRE(watch);
  writer.say('g');
  CHECK(take(**watch, 1).size() == 1);
}

TEST_CASE("store: a watch that is too far behind is told to list again") {
  Directory directory;
  auto store = open(directory, {.kept_changes = 5});
  auto behind = store->watch(0), just_in_time = store->watch(3), ahead = store->watch(100);
  for (int i = 0; i < 8; ++i) REQUIRE(store->create(claim("claim-" + std::to_string(i))));

  for (auto* lost : {&behind, &ahead}) {
    auto changes = (**lost)->next(0ms);
    REQUIRE(changes);
    REQUIRE(changes->size() == 1);
    CHECK(changes->front().type == Change::Type::Relist);
    CHECK(changes->front().version == 8);
  }
  auto kept = (*just_in_time)->next(0ms);
  REQUIRE(kept);
  REQUIRE(kept->size() == 5);
  CHECK(kept->front().version == 4);

  // And goes on from there.
  REQUIRE(store->create(claim("later")));
  auto changes = (*behind)->next(0ms);
  REQUIRE(changes);
  REQUIRE(changes->size() == 1);
  CHECK(changes->front().object.name() == "later");
}

}  // namespace
}  // namespace claimfs::store
