#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "store/sqlite_store.h"
#include "tests/unit/catch.h"

// What the tests of the store share.
namespace claimfs::store {

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

inline std::unique_ptr<Store> open(const Directory& directory, const SqliteOptions& options = {}) {
  auto store = open_sqlite_store(directory.database(), options);
  INFO((store ? "" : store.error().message()));
  REQUIRE(store);
  return std::move(*store);
}

inline Object claim(const std::string& name, const std::string& volume = "",
                    const std::string& name_space = "default") {
  return {Kind::PersistentVolumeClaim,
          Json{{"apiVersion", "v1"},
               {"kind", "PersistentVolumeClaim"},
               {"metadata", {{"name", name}, {"namespace", name_space}, {"uid", "uid-of-" + name}}},
               {"spec", {{"volumeName", volume}}}}};
}

inline ObjectKey key_of(const std::string& name) {
  return {Kind::PersistentVolumeClaim, "default", name};
}

inline Object without_version(Object object) {
  object.document["metadata"].erase("resourceVersion");
  return object;
}

template <class T>
int code_of(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

// The next `count` changes, or fewer when no more come. What comes with the end of the wait was not
// heard, but found.
inline std::vector<Change> take(Watch& watch, std::size_t count) {
  std::vector<Change> all;
  while (all.size() < count) {
    const auto start = std::chrono::steady_clock::now();
    auto changes = watch.next(kLong);
    REQUIRE(changes);
    if (changes->empty() || std::chrono::steady_clock::now() - start >= kLong) break;
    all.insert(all.end(), changes->begin(), changes->end());
  }
  return all;
}

inline void run_raw(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace claimfs::store
