#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "store/session_lock.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::store {
namespace {

TEST_CASE("lease: giving it back removes what hangs on it, and only that") {
  Directory directory;
  auto store = open(directory);
  auto lease = store->grant_lease(), other = store->grant_lease();
  REQUIRE(lease);
  REQUIRE(other);
  const std::string file = directory.database() + "-sessions/" + (*lease)->id();
  CHECK((*lease)->id() != (*other)->id());
  CHECK((*lease)->is_held());
  REQUIRE(store->create(claim("free")));
  REQUIRE(store->create(claim("others"), other->get()));
  Object mine = *store->create(claim("mine"), lease->get());
  mine.document["spec"]["volumeName"] = "pv";
  mine = *store->update(mine);                // an update keeps the lease
  mine = *store->put(claim("mine", "pv-2"));  // and so does a put
  REQUIRE(store->acquire("controller", **lease, "me"));
  CHECK(std::filesystem::exists(file));
  auto watch = store->watch(store->list(Kind::PersistentVolumeClaim)->version);
  REQUIRE(watch);

  lease->reset();
  auto changes = (*watch)->next(0ms);
  REQUIRE(changes);
  REQUIRE(changes->size() == 1);
  CHECK(changes->front().type == Change::Type::Removed);
  CHECK(changes->front().object.document == mine.document);
  CHECK(store->list(Kind::PersistentVolumeClaim)->objects.size() == 2);
  CHECK(store->holder_of("controller")->empty());
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK((*other)->is_held());
}

TEST_CASE("lease: the reads of its own process, by whatever path, leave it held") {
  Directory directory;
  Child reader([&](Child& parent) {
    parent.hear();
    auto store = open_sqlite_store(directory.database());
    parent.say(store && (*store)->get(key_of("data")) ? 'y' : 'n');
  });
  auto store = open(directory);
  auto lease = store->grant_lease();
  REQUIRE(lease);
  REQUIRE(store->create(claim("data"), lease->get()));
  std::filesystem::create_directory_symlink(directory.path("state"), directory.path("alias"));
  auto alias = open_sqlite_store(directory.path("alias/claimfs.db"));
  REQUIRE(alias);
  CHECK((*alias)->get(key_of("data")));
  CHECK(store->list(Kind::PersistentVolumeClaim)->objects.size() == 1);
  CHECK(is_session_held(directory.path("alias/claimfs.db-sessions/") + (*lease)->id()));
  reader.say('g');
  CHECK(reader.hear() == 'y');
}

TEST_CASE("lease: dies with its process, and a waiting watch hears it") {
  Directory directory;
  Child holder([&](Child& parent) {
    auto store = open_sqlite_store(directory.database());
    auto lease = (*store)->grant_lease();
    const bool is_done = (*store)->create(claim("attached"), lease->get()) &&
                         (*store)->acquire("controller", **lease, "the child");
    parent.say(is_done ? 'y' : 'n');
    parent.hear();
  });
  REQUIRE(holder.hear() == 'y');
  auto store = open(directory, kNoSlowLook);
  auto watch = store->watch(store->list(Kind::PersistentVolumeClaim)->version);
  REQUIRE(watch);
  CHECK(store->get(key_of("attached")));
  CHECK(*store->holder_of("controller") == "the child");

  SECTION("the watch is first") {
    std::thread killer([&] { holder.end(SIGKILL); });
    const std::vector<Change> changes = take(**watch, 1);
    killer.join();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].type == Change::Type::Removed);
    CHECK(changes[0].object.name() == "attached");
    CHECK(changes[0].object.document["metadata"]["uid"] == "uid-of-attached");
  }
  SECTION("a reader is first") {
    holder.end(SIGKILL);
    CHECK(code_of(store->get(key_of("attached"))) == ENOENT);
    CHECK(take(**watch, 1).size() == 1);
  }
  SECTION("a writer is first") {
    holder.end(SIGKILL);
    CHECK(store->create(claim("attached")));
    CHECK(take(**watch, 2).size() == 2);
  }
  SECTION("the next holder is first") {
    holder.end(SIGKILL);
    auto lease = store->grant_lease();
    CHECK(store->acquire("controller", **lease, "the parent"));
    CHECK(*store->holder_of("controller") == "the parent");
  }
  CHECK(store->holder_of("controller")->find("child") == std::string::npos);
}

TEST_CASE("lease: one holder of a name at a time") {
  Directory directory;
  auto store = open(directory), other = open(directory);
  auto first = store->grant_lease(), second = other->grant_lease();
  REQUIRE(store->acquire("controller", **first, "node-a pid 17"));
  CHECK(store->acquire("controller", **first, "node-a pid 17"));
  auto refused = other->acquire("controller", **second, "node-b pid 4");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EBUSY);
  CHECK(refused.error().context.find("node-a pid 17") != std::string::npos);
  CHECK(other->acquire("another", **second, "node-b pid 4"));
  CHECK(*other->holder_of("controller") == "node-a pid 17");

  constexpr int kThreads = 6;
  first->reset();
  std::atomic<int> winners = 0, losers = 0;
  std::vector<std::unique_ptr<Lease>> leases;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) leases.push_back(std::move(*store->grant_lease()));
  for (const auto& lease : leases) {
    threads.emplace_back([&] {
      const auto result = store->acquire("controller", *lease, lease->id());
      if (result)
        ++winners;
      else if (result.error().code == EBUSY)
        ++losers;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(winners == 1);
  CHECK(losers == kThreads - 1);
}

TEST_CASE("lease: one that has ended carries nothing") {
  Directory directory;
  auto store = open(directory);
  auto lease = store->grant_lease();
  REQUIRE(store->create(claim("data"), lease->get()));
  REQUIRE(std::filesystem::remove(directory.database() + "-sessions/" + (*lease)->id()));
  CHECK_FALSE((*lease)->is_held());
  CHECK(code_of(store->get(key_of("data"))) == ENOENT);
  CHECK(code_of(store->create(claim("data"), lease->get())) == ESTALE);
  CHECK(code_of(store->acquire("controller", **lease, "me")) == ESTALE);
}

TEST_CASE("lease: outlives the store that granted it") {
  Directory directory;
  auto other = open(directory);
  auto store = open(directory);
  auto lease = store->grant_lease();
  REQUIRE(store->create(claim("data"), lease->get()));
  store.reset();
  CHECK(other->get(key_of("data")));
  lease->reset();
  CHECK(code_of(other->get(key_of("data"))) == ENOENT);
}

}  // namespace
}  // namespace claimfs::store
