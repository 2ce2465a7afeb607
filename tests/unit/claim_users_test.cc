// Who uses a directory, found in /proc: with the mount that temporary files are on in the place of
// a tree, and a child process for a user.

#include "cli/claim_users.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "cli/mount_point.h"
#include "cli/mount_views.h"
#include "tests/unit/catch.h"
#include "tests/unit/scratch.h"

namespace claimfs::cli {
namespace {

// A directory, and where it is in the mount that it is on.
class Directory {
 public:
  Directory() {
    path_ = tests::scratch("users");
    REQUIRE(::mkdtemp(path_.data()));
    path_ = std::filesystem::canonical(path_);
    std::ofstream(path_ + "/file") << "text";
    MountEntry mount;
    for (const MountEntry& each : mounts_of_process("self")) {
      if (is_within(path_, each.mount_point) && each.mount_point.size() >= mount.mount_point.size())
        mount = each;
    }
    mount_point_ = mount.mount_point;
    const std::string rest = mount_point_ == "/" ? path_ : path_.substr(mount_point_.size());
    in_mount_ = (mount.root == "/" ? "" : mount.root) + rest;
  }
  ~Directory() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  const std::string& in_mount() const { return in_mount_; }
  const std::string& mount_point() const { return mount_point_; }
  std::vector<ClaimUser> users() const { return users_of(mount_point_, in_mount_); }
  bool is_stood_in() const { return is_used_by_processes(mount_point_, in_mount_); }

 private:
  std::string path_, in_mount_, mount_point_;
};

// A process that does something, and then nothing until it is ended.
class Child {
 public:
  explicit Child(const std::function<bool()>& act) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const char done = act() ? 'y' : 'n';
      (void)!::write(ends[1], &done, 1);
      while (true) ::pause();
    }
    char done = 'n';
    REQUIRE(::read(ends[0], &done, 1) == 1);
    ::close(ends[0]);
    ::close(ends[1]);
    REQUIRE(done == 'y');
  }
  ~Child() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

bool maps(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY);
  void* map = ::mmap(nullptr, 4, PROT_READ, MAP_SHARED, descriptor, 0);
  ::close(descriptor);
  return map != MAP_FAILED;
}

bool opens(const std::string& file) { return ::open(file.c_str(), O_RDONLY) >= 0; }

// A map says the filesystem's own device, which on some is not the mount's.
bool maps_say_the_mount(const Directory& directory) {
  const auto mount = mount_at(directory.mount_point());
  return mount && (mount->type == "ext4" || mount->type == "tmpfs" || mount->type == "xfs");
}

}  // namespace

TEST_CASE("how a process uses a directory", "[claim_users]") {
  const Directory directory;
  const std::string file = directory.path() + "/file";
  struct Row {
    const char* name;
    std::function<bool()> act;
    How how;
    std::string what;
    bool stands_in = false;
  };
  const Row rows[] = {
      {.name = "an open file",
       .act = [&] { return opens(file); },
       .how = How::Open,
       .what = directory.in_mount() + "/file"},
      {.name = "opened only for its path",
       .act = [&] { return ::open(file.c_str(), O_PATH) >= 0; },
       .how = How::Open,
       .what = directory.in_mount() + "/file"},
      {.name = "many",
       .act =
           [&] {
             for (int i = 0; i < 200; ++i)
               if (!opens(file)) return false;
             return ::chdir(directory.path().c_str()) == 0;
           },
       .how = How::Open,
       .what = directory.in_mount() + "/file",
       .stands_in = true},
      {.name = "a map without a descriptor",
       .act = [&] { return maps(file); },
       .how = How::Map,
       .what = directory.in_mount() + "/file"},
      {.name = "a working directory",
       .act = [&] { return ::chdir(directory.path().c_str()) == 0; },
       .how = How::WorkingDirectory,
       .what = directory.in_mount(),
       .stands_in = true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    if (row.how == How::Map && !maps_say_the_mount(directory)) continue;
    Child child(row.act);
    const auto users = directory.users();
    REQUIRE(users.size() == 1);
    CHECK(users.front().pid == child.pid());
    CHECK(users.front().command == "claimfs_tests");
    CHECK(users.front().how == row.how);
    CHECK(users.front().what ==
          (directory.mount_point() == "/" ? "" : directory.mount_point()) + row.what);
    CHECK(directory.is_stood_in() == row.stands_in);
    child.end();
    CHECK(directory.users().empty());
    CHECK_FALSE(directory.is_stood_in());
  }
}

TEST_CASE("who does not use a directory", "[claim_users]") {
  const Directory directory;
  CHECK(directory.users().empty());
  SECTION("a process that uses another of a longer name") {
    const std::string other = directory.path() + "2";
    REQUIRE(std::filesystem::create_directory(other));
    const Child child([&] { return ::chdir(other.c_str()) == 0; });
    CHECK(directory.users().empty());
    CHECK_FALSE(directory.is_stood_in());
    std::filesystem::remove(other);
  }
  SECTION("ourselves") {
    const int descriptor = ::open((directory.path() + "/file").c_str(), O_RDONLY | O_CLOEXEC);
    CHECK(directory.users().empty());
    ::close(descriptor);
  }
  SECTION("where nothing is mounted") {
    CHECK(users_of(directory.path(), "/").empty());
    CHECK_FALSE(is_used_by_processes(directory.path(), "/"));
  }
}

TEST_CASE("a process of a root's own", "[claim_users]") {
  if (::geteuid() != 0) return;
  const Directory directory;
  const Child child(
      [&] { return ::chroot(directory.path().c_str()) == 0 && ::chdir("/tmp") != 0; });
  const auto users = directory.users();
  REQUIRE(users.size() == 1);
  CHECK(users.front().how == How::Root);
  CHECK(directory.is_stood_in());
}

TEST_CASE("a path is within a directory by whole names", "[claim_users]") {
  CHECK(is_within("/a/b", "/a"));
  CHECK(is_within("/a", "/a"));
  CHECK(is_within("/a", "/"));
  CHECK_FALSE(is_within("/ab", "/a"));
  CHECK_FALSE(is_within("/", "/a"));
  CHECK_FALSE(is_within("", "/a"));
}

}  // namespace claimfs::cli
