#include <atomic>
#include <thread>

#include "tests/unit/store_fixture.h"

namespace claimfs::store {
namespace {

TEST_CASE("store: objects are created, read, replaced and removed by version") {
  Directory directory;
  auto store = open(directory);

  auto created = store->create(claim("data", "pv-1"));
  REQUIRE(created);
  CHECK(created->resource_version() == "1");
  CHECK(without_version(*created).document == claim("data", "pv-1").document);
  CHECK(code_of(store->create(claim("data"))) == EEXIST);
  CHECK(store->get(key_of("data"))->document == created->document);
  CHECK(code_of(store->get(key_of("other"))) == ENOENT);
  CHECK(code_of(store->get({Kind::Pod, "default", "data"})) == ENOENT);

  Object changed = *created;
  changed.document["spec"]["volumeName"] = "pv-2";
  auto updated = store->update(changed);
  REQUIRE(updated);
  CHECK(updated->resource_version() == "2");
  CHECK(store->get(key_of("data"))->document == updated->document);
  CHECK(code_of(store->update(changed)) == EAGAIN);
  CHECK(code_of(store->update(without_version(changed))) == EAGAIN);
  CHECK(code_of(store->update(claim("other"))) == ENOENT);

  CHECK(code_of(store->remove(key_of("other"), "")) == ENOENT);
  CHECK(code_of(store->remove(key_of("data"), "1")) == EAGAIN);
  REQUIRE(store->remove(key_of("data"), "2"));
  CHECK(code_of(store->get(key_of("data"))) == ENOENT);

  REQUIRE(store->create(claim("data")));
  REQUIRE(store->remove(key_of("data"), ""));
  CHECK(code_of(store->remove(key_of("data"), "")) == ENOENT);
}

TEST_CASE("store: a refusal changes nothing and says why") {
  Directory directory;
  auto store = open(directory);
  CHECK(code_of(store->create({Kind::Pod, Json::object()})) == EINVAL);
  CHECK(code_of(store->put({Kind::Pod, Json("text")})) == EINVAL);
  CHECK(code_of(store->create(claim("data", "\xff"))) == EINVAL);
  REQUIRE(store->create(claim("data")));
  auto conflict = store->remove(key_of("data"), "7");
  REQUIRE_FALSE(conflict);
  CHECK(conflict.error().context ==
        "persistentvolumeclaims \"default/data\" is at version 1, not at '7'");
  CHECK(store->list(Kind::PersistentVolumeClaim)->version == 1);
}

TEST_CASE("store: put replaces whatever is there") {
  Directory directory;
  auto store = open(directory);
  Object imported = claim("data", "pv-1");
  imported.document["metadata"]["resourceVersion"] = "4711";
  CHECK(store->put(imported)->resource_version() == "1");
  CHECK(store->put(imported)->resource_version() == "1");
  CHECK(store->put(claim("data", "pv-2"))->resource_version() == "2");
  CHECK(store->get(key_of("data"))->document["spec"]["volumeName"] == "pv-2");
}

TEST_CASE("store: an unchanged document is not a change") {
  Directory directory;
  auto store = open(directory);
  Object object = claim("data");
  object.document["spec"]["weight"] = 1;
  object = *store->create(object);
  auto watch = store->watch(1);
  REQUIRE(watch);

  CHECK(store->update(object)->resource_version() == "1");
  CHECK((*watch)->next(0ms)->empty());

  object.document["spec"]["weight"] = 1.0;  // equal as a number, another document
  CHECK(store->update(object)->resource_version() == "2");
  CHECK((*watch)->next(0ms)->size() == 1);
}

TEST_CASE("store: a document comes back whole, after a restart too") {
  Directory directory;
  Object object = claim("data");
  object.document["unknown"] = Json{{"large", 18446744073709551615u},
                                    {"small", -9223372036854775807 - 1},
                                    {"real", 0.1},
                                    {"text", std::string("ü\0\n\"", 5)},
                                    {"none", nullptr},
                                    {"list", Json::array()},
                                    {"map", Json::object()}};
  const Object created = *open(directory)->create(object);
  const Object read = *open(directory)->get(key_of("data"));
  CHECK(read.document.dump() == created.document.dump());
  CHECK(without_version(read).document.dump() == object.document.dump());
}

TEST_CASE("store: a listing is sorted by namespace, then name") {
  Directory directory;
  auto store = open(directory);
  for (const char* name_space : {"b", "a"}) {
    for (const char* name : {"z", "y"}) REQUIRE(store->create(claim(name, "", name_space)));
  }
  REQUIRE(store->create({Kind::PersistentVolume, Json{{"metadata", {{"name", "pv"}}}}}));
  auto listing = store->list(Kind::PersistentVolumeClaim);
  REQUIRE(listing);
  std::string order;
  for (const Object& object : listing->objects)
    order += object.name_space() + "/" + object.name() + " ";
  CHECK(order == "a/y a/z b/y b/z ");
  CHECK(listing->version == 5);
}

TEST_CASE("store: of concurrent updates of one version one wins") {
  Directory directory;
  constexpr int kThreads = 4, kIncrements = 15;
  auto store = open(directory), other = open(directory);
  Object counter = claim("counter");
  counter.document["count"] = 0;
  REQUIRE(store->create(counter));

  std::atomic<int> unexpected = 0;
  const auto increment = [&](Store& used) {
    for (int done = 0; done < kIncrements;) {
      auto object = used.get(key_of("counter"));
      if (!object) {
        ++unexpected;
        return;
      }
      object->document["count"] = object->document["count"].get<int>() + 1;
      const auto updated = used.update(*object);
      if (updated)
        ++done;
      else if (updated.error().code != EAGAIN) {
        ++unexpected;
        return;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] { increment(i % 2 ? *store : *other); });
  for (std::thread& thread : threads) thread.join();
  CHECK(unexpected == 0);
  CHECK(store->get(key_of("counter"))->document["count"] == kThreads * kIncrements);
}

}  // namespace
}  // namespace claimfs::store
