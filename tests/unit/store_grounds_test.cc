// store_if: a decision is stored only while what it was made on still holds.

#include <atomic>
#include <thread>

#include "tests/unit/store_fixture.h"

namespace claimfs::store {
namespace {

Object attachment(const std::string& name, const std::string& node = "node-a") {
  return {Kind::Attachment, Json{{"apiVersion", "claimfs.io/v1alpha1"},
                                 {"kind", "Attachment"},
                                 {"metadata", {{"name", name}}},
                                 {"spec", {{"node", node}}}}};
}

Grounds grounds(std::vector<std::string> prefixes, Version seen) {
  return {.kind = Kind::Attachment, .name_prefixes = std::move(prefixes), .seen = seen};
}

TEST_CASE("store_if: what has come since is in the way, by its name", "[store_if]") {
  Directory directory;
  auto store = open(directory);
  struct Row {
    const char* name;
    std::string came;
    std::vector<std::string> prefixes;
    int code;
  };
  const Row rows[] = {
      {"the volume's", "pv@node-b", {"pv@"}, EAGAIN},
      {"another volume's", "pw@node-b", {"pv@"}, 0},
      {"one whose name begins so", "pv-1@node-b", {"pv@"}, 0},
      {"the second prefix", "pw@node-b", {"pv@", "pw@"}, EAGAIN},
      {"none asked for", "pv@node-b", {}, 0},
      {"its own", "pv@node-a", {"pv@"}, EEXIST},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Version seen = *store->newest();
    REQUIRE(store->create(attachment(row.came)));
    const auto stored =
        store->store_if(attachment("pv@node-a"), nullptr, grounds(row.prefixes, seen));
    CHECK(code_of(stored) == row.code);
    CHECK(code_of(store->get({Kind::Attachment, "", "pv@node-a"})) ==
          (row.code == EAGAIN ? ENOENT : 0));
    const auto listing = store->list(Kind::Attachment);
    for (const Object& each : listing->objects) REQUIRE(store->remove(each.key(), ""));
  }
}

TEST_CASE("store_if: changes, removals, other kinds, what was seen", "[store_if]") {
  Directory directory;
  auto store = open(directory);
  Object other = *store->create(attachment("pv@node-b"));
  Version seen = *store->newest();
  SECTION("what was there is not in the way") {
    CHECK(store->store_if(attachment("pv@node-a"), nullptr, grounds({"pv@"}, seen)));
  }
  SECTION("a change of it is") {
    other.document["spec"]["readOnly"] = false;
    REQUIRE(store->update(other));
    CHECK(code_of(store->store_if(attachment("pv@node-a"), nullptr, grounds({"pv@"}, seen))) ==
          EAGAIN);
    seen = *store->newest();
    CHECK(store->store_if(attachment("pv@node-a"), nullptr, grounds({"pv@"}, seen)));
  }
  SECTION("its removal is not") {
    REQUIRE(store->remove(other.key(), ""));
    CHECK(store->store_if(attachment("pv@node-a"), nullptr, grounds({"pv@"}, seen)));
  }
  SECTION("another kind of that name is not") {
    Object mount = attachment("pv@node-c");
    mount.kind = Kind::Mount;
    mount.document["kind"] = "Mount";
    REQUIRE(store->create(mount));
    CHECK(store->store_if(attachment("pv@node-a"), nullptr, grounds({"pv@"}, seen)));
  }
  SECTION("one's own is excepted, but for its version") {
    Object own = *store->create(attachment("pv@node-a"));
    const Object stale = own;
    own.document["spec"]["readOnly"] = true;
    const auto changed = store->store_if(own, nullptr, grounds({"pv@"}, seen));
    REQUIRE(changed);
    CHECK(code_of(store->store_if(stale, nullptr, grounds({"pv@"}, seen))) == EAGAIN);
  }
  SECTION("one's own that is gone") {
    const Object own = *store->create(attachment("pv@node-a"));
    REQUIRE(store->remove(own.key(), ""));
    CHECK(code_of(store->store_if(own, nullptr, grounds({"pv@"}, seen))) == ENOENT);
  }
  SECTION("under a lease") {
    auto lease = store->grant_lease();
    REQUIRE(lease);
    REQUIRE(store->store_if(attachment("pv@node-a"), lease->get(), grounds({"pv@"}, seen)));
    lease->reset();
    CHECK(code_of(store->get({Kind::Attachment, "", "pv@node-a"})) == ENOENT);
  }
}

// As often as anybody likes: look, and take it if it is free. One rule, two who follow it.
int take_once(Store& store, const std::string& round, const std::string& node) {
  const auto listing = store.list(Kind::Attachment);
  for (const Object& each : listing->objects)
    if (each.key().name.starts_with(round + "@")) return 0;
  return store.store_if(attachment(round + "@" + node, node), nullptr,
                        grounds({round + "@"}, listing->version))
             ? 1
             : 0;
}

TEST_CASE("store_if: of threads that race exactly one wins", "[store_if]") {
  Directory directory;
  auto store = open(directory);
  for (int round = 0; round < 60; ++round) {
    std::atomic<int> ready{0}, wins{0};
    std::vector<std::thread> threads;
    for (const char* node : {"node-a", "node-b", "node-c"}) {
      threads.emplace_back([&, node] {
        for (++ready; ready < 3;) std::this_thread::yield();
        wins += take_once(*store, "pv-" + std::to_string(round), node);
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wins == 1);
  }
}

TEST_CASE("store_if: of processes that race exactly one wins", "[store_if]") {
  constexpr int kRounds = 60;
  Directory directory;
  Child other([&](Child& parent) {
    auto store = open_sqlite_store(directory.database());
    parent.say(store ? 'y' : 'n');
    for (int round = 0; round < kRounds; ++round) {
      parent.hear();
      parent.say(take_once(**store, "pv-" + std::to_string(round), "node-b") ? '1' : '0');
    }
  });
  auto store = open(directory);
  REQUIRE(other.hear() == 'y');
  int ours = 0;
  for (int round = 0; round < kRounds; ++round) {
    other.say('g');
    const int mine = take_once(*store, "pv-" + std::to_string(round), "node-a");
    const int theirs = other.hear() == '1' ? 1 : 0;
    CHECK(mine + theirs == 1);
    ours += mine;
  }
  INFO("ours: " << ours);
  CHECK(store->list(Kind::Attachment)->objects.size() == kRounds);
}

}  // namespace
}  // namespace claimfs::store
