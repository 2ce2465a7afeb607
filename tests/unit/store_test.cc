#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "base/fd.h"
#include "store/session_lock.h"
#include "store/sqlite_store.h"
#include "tests/unit/catch.h"

namespace claimfs::store {
namespace {

using namespace std::chrono_literals;
using volumes::Json;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

// For waits that an event ends: how long until the event is taken for missing.
constexpr auto kLong = 30s;
// Never looks by itself, so that what is seen was heard.
const SqliteOptions kNoSlowLook{.slow_look = 24h};

class Directory {
 public:
  Directory() { REQUIRE(::mkdtemp(path_.data())); }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string database() const { return path_ + "/state/claimfs.db"; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = std::filesystem::temp_directory_path().string() + "/store_test.XXXXXX";
};

// A process of its own. To be made before this one opens a store. The two talk in single bytes.
class Child {
 public:
  explicit Child(const std::function<void(Child&)>& body) {
    int down[2], up[2];
    REQUIRE(::pipe2(down, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(up, O_CLOEXEC) == 0);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    const bool is_child = process_ == 0;
    in_ = Fd(is_child ? down[0] : up[0]);
    out_ = Fd(is_child ? up[1] : down[1]);
    ::close(is_child ? down[1] : up[1]);
    ::close(is_child ? up[0] : down[0]);
    if (!is_child) return;
    body(*this);
    ::_exit(0);
  }
  ~Child() { end(SIGKILL); }
  void say(char word) { (void)!::write(out_.get(), &word, 1); }
  char hear() {
    char word = 0;
    return ::read(in_.get(), &word, 1) == 1 ? word : '\0';
  }
  // The status that wait() gives.
  int end(int signal = 0) {
    if (process_ <= 0) return 0;
    int status = 0;
    if (signal) ::kill(process_, signal);
    ::waitpid(std::exchange(process_, 0), &status, 0);
    return status;
  }

 private:
  pid_t process_ = 0;
  Fd in_, out_;
};

std::unique_ptr<Store> open(const Directory& directory, const SqliteOptions& options = {}) {
  auto store = open_sqlite_store(directory.database(), options);
  INFO((store ? "" : store.error().message()));
  REQUIRE(store);
  return std::move(*store);
}

Object claim(const std::string& name, const std::string& volume = "", const std::string& name_space = "default") {
  return {Kind::PersistentVolumeClaim,
          Json{{"apiVersion", "v1"},
               {"kind", "PersistentVolumeClaim"},
               {"metadata", {{"name", name}, {"namespace", name_space}, {"uid", "uid-of-" + name}}},
               {"spec", {{"volumeName", volume}}}}};
}

ObjectKey key_of(const std::string& name) { return {Kind::PersistentVolumeClaim, "default", name}; }

Object without_version(Object object) {
  object.document["metadata"].erase("resourceVersion");
  return object;
}

template <class T>
int code_of(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

// The next `count` changes, or fewer when no more come.
std::vector<Change> take(Watch& watch, std::size_t count) {
  std::vector<Change> all;
  while (all.size() < count) {
    auto changes = watch.next(kLong);
    REQUIRE(changes);
    if (changes->empty()) break;
    all.insert(all.end(), changes->begin(), changes->end());
  }
  return all;
}

void run_raw(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

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
  CHECK(conflict.error().context == "persistentvolumeclaims \"default/data\" is at version 1, not at '7'");
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
  object.document["unknown"] = Json{{"large", 18446744073709551615u}, {"small", -9223372036854775807 - 1},
                                    {"real", 0.1}, {"text", std::string("ü\0\n\"", 5)}, {"none", nullptr},
                                    {"list", Json::array()}, {"map", Json::object()}};
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
  for (const Object& object : listing->objects) order += object.name_space() + "/" + object.name() + " ";
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
      if (!object) { ++unexpected; return; }
      object->document["count"] = object->document["count"].get<int>() + 1;
      const auto updated = used.update(*object);
      if (updated) ++done;
      else if (updated.error().code != EAGAIN) { ++unexpected; return; }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&, i] { increment(i % 2 ? *store : *other); });
  for (std::thread& thread : threads) thread.join();
  CHECK(unexpected == 0);
  CHECK(store->get(key_of("counter"))->document["count"] == kThreads * kIncrements);
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
                      told[0]->object.document["spec"]["volumeName"] == "" && told[1]->type == Change::Type::Put &&
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
  mine = *store->update(mine);                        // an update keeps the lease
  mine = *store->put(claim("mine", "pv-2"));          // and so does a put
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
      if (result) ++winners;
      else if (result.error().code == EBUSY) ++losers;
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

TEST_CASE("store: its files are its owner's alone") {
  Directory directory;
  const auto mode_of = [](const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
  };
  const std::string database = directory.database();
  const mode_t mask = ::umask(0);
  {
    auto store = open(directory);
    auto lease = store->grant_lease();
    REQUIRE(lease);
    REQUIRE(store->create(claim("data")));
    CHECK(mode_of(directory.path("state")) == 0700);
    CHECK(mode_of(database + "-sessions") == 0700);
    for (const std::string& path : {database, database + "-wal", database + "-shm", database + "-doorbell",
                                    database + "-sessions/" + (*lease)->id()}) {
      INFO(path);
      CHECK(mode_of(path) == 0600);
    }
  }
  REQUIRE(::chmod(database.c_str(), 0644) == 0);
  open(directory);
  CHECK(mode_of(database) == 0600);
  ::umask(mask);
}

TEST_CASE("store: opened by many at once while there is nothing yet") {
  Directory directory;
  std::atomic<int> opened = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      auto store = open_sqlite_store(directory.database());
      opened += store && (*store)->create(claim("claim-" + std::to_string(i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(opened == 8);
  CHECK(open(directory)->list(Kind::PersistentVolumeClaim)->objects.size() == 8);
}

TEST_CASE("store: opening clears away files of sessions that never were, and keeps the others") {
  Directory directory;
  auto store = open(directory);
  auto lease = store->grant_lease();
  const std::string sessions = directory.database() + "-sessions/";
  std::ofstream(sessions + "stray").put('x');
  open(directory);
  CHECK_FALSE(std::filesystem::exists(sessions + "stray"));
  CHECK(std::filesystem::exists(sessions + (*lease)->id()));
  CHECK((*lease)->is_held());
}

TEST_CASE("store: what is not its own is refused and left alone") {
  Directory directory;
  const std::string path = directory.path("file.db");
  const auto refusal = [&] {
    auto store = open_sqlite_store(path);
    REQUIRE_FALSE(store);
    return store.error();
  };
  SECTION("written by a newer claimfs") {
    REQUIRE(open_sqlite_store(path));
    run_raw(path, "PRAGMA user_version = 2");
    CHECK(refusal().code == ENOTSUP);
    CHECK(refusal().context == "store '" + path + "' has schema 2, which a newer claimfs wrote; this one knows schema 1");
  }
  SECTION("not a database") {
    for (const std::size_t size : {7u, 100u, 5000u}) {
      const std::string garbage(size, 'g');
      std::ofstream(path) << garbage;
      CHECK(refusal().code == EINVAL);
      CHECK(refusal().context == "store '" + path + "' is not an SQLite database");
      std::ifstream file(path);
      CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == garbage);
    }
  }
  SECTION("somebody else's database") {
    run_raw(path, "CREATE TABLE songs (title TEXT)");
    CHECK(refusal().code == EINVAL);
    CHECK(refusal().context == "store '" + path + "' is an SQLite database, but not one of claimfs");
  }
  SECTION("a directory") {
    std::filesystem::create_directory(path);
    CHECK(refusal().code == EINVAL);
  }
}

TEST_CASE("store: a path that cannot be") {
  CHECK(code_of(open_sqlite_store("")) == EINVAL);
  CHECK(code_of(open_sqlite_store("/dev/null/claimfs.db")) == ENOTDIR);
}

TEST_CASE("store: does not cross a fork") {
  Directory directory;
  auto store = open(directory);
  auto lease = store->grant_lease();
  REQUIRE(store->create(claim("data"), lease->get()));
  const auto quietly = [] {
    ::signal(SIGABRT, SIG_DFL);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::close(STDERR_FILENO);
  };

  Child user([&](Child&) {
    quietly();
    (void)store->get(key_of("data"));
  });
  CHECK(WTERMSIG(user.end()) == SIGABRT);
  Child opener([&](Child&) {
    quietly();
    (void)open_sqlite_store(directory.path("another.db"));
  });
  CHECK(WTERMSIG(opener.end()) == SIGABRT);
  Child dropper([&](Child&) {
    if ((*lease)->is_held()) ::_exit(1);
    lease->reset();
    store.reset();
  });
  CHECK(dropper.end() == 0);
  CHECK((*lease)->is_held());
  CHECK(store->get(key_of("data")));
}

}  // namespace
}  // namespace claimfs::store
