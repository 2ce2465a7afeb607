#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/store_fixture.h"

namespace claimfs::store {
namespace {

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
    for (const std::string& path :
         {database, database + "-wal", database + "-shm", database + "-doorbell",
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
    CHECK(refusal().context ==
          "store '" + path +
              "' has schema 2, which a newer claimfs wrote; this one knows schema 1");
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
    CHECK(refusal().context ==
          "store '" + path + "' is an SQLite database, but not one of claimfs");
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
