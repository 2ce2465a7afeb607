#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "tests/unit/nfs_volume.h"

// What a volume knows of its server without asking: it must be what the server would say.

namespace claimfs::tests {

namespace {

std::unique_ptr<Backend> exclusive_on(const NfsServer& server) {
  volumes::NfsOptions options = server.options();
  options.exclusive = true;
  return backend_on(options);
}

bool is_same_time(const timespec& left, const timespec& right) {
  return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

// The directory's attributes as we tell them are those that the server's disk has.
void check_agrees(Volume& volume, Inode& directory, const std::string& path) {
  struct stat there {};
  REQUIRE(::stat(path.c_str(), &there) == 0);
  const auto told = volume.attributes(directory);
  REQUIRE(told);
  CHECK(told->nlink == there.st_nlink);
  CHECK(told->size == there.st_size);
  CHECK(told->mode == there.st_mode);
  CHECK(is_same_time(told->mtime, there.st_mtim));
  CHECK(is_same_time(told->ctime, there.st_ctim));
}

}  // namespace

TEST_CASE("a directory's attributes after each kind of change are the server's", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(exclusive_on(server), {});
  const auto made = volume.make_directory(volume.root(), "d", 0755);
  REQUIRE(made);
  Inode& directory = *made->inode;
  const std::string path = server.directory() + "/d";
  check_agrees(volume, directory, path);
  volume.put(directory, "file", "text");
  check_agrees(volume, directory, path);
  REQUIRE(volume.make_directory(directory, "sub", 0755));
  check_agrees(volume, directory, path);
  REQUIRE(volume.rename(directory, "file", directory, "other"));
  check_agrees(volume, directory, path);
  REQUIRE(volume.rename(directory, "other", volume.root(), "away"));
  check_agrees(volume, directory, path);
  check_agrees(volume, volume.root(), server.directory());
  REQUIRE(volume.remove_directory(directory, "sub"));
  check_agrees(volume, directory, path);
  REQUIRE(volume.change(directory, {.mode = 0700}));
  check_agrees(volume, directory, path);
  REQUIRE(volume.rename(volume.root(), "d", volume.root(), "e"));
  check_agrees(volume, directory, server.directory() + "/e");
}

TEST_CASE("what others put into a directory that we have made is found within a second", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(exclusive_on(server), {});
  const auto made = volume.make_directory(volume.root(), "d", 0755);
  REQUIRE(made);
  CHECK(code_of(volume.lookup(*made->inode, "theirs")) == ENOENT);
  Volume other(backend_on(server.options()), {});
  const auto there = other.lookup(other.root(), "d");
  REQUIRE(there);
  other.put(*there->inode, "theirs", "text");
  SECTION("though we do nothing") {}
  SECTION("though we go on changing it") {
    volume.put(*made->inode, "ours", "text");
    CHECK(volume.lookup(*made->inode, "theirs"));
  }
  CHECK(comes_true([&] { return volume.lookup(*made->inode, "theirs").has_value(); }));
}

TEST_CASE("what a stale name stands for now is asked for at once", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(exclusive_on(server), {});
  Volume other(backend_on(server.options()), {});
  std::ofstream(server.directory() + "/file") << "text";
  const auto before = volume.lookup(volume.root(), "file");
  REQUIRE(before);
  REQUIRE(other.unlink(other.root(), "file"));
  other.put(other.root(), "file", "other text");
  CHECK(code_of(volume.open(*before->inode, O_RDONLY)) == ESTALE);
  const auto after = volume.lookup(volume.root(), "file");
  REQUIRE(after);
  CHECK(after->inode->key() != before->inode->key());
  const auto open = volume.open(*after->inode, O_RDONLY);
  REQUIRE(open);
  CHECK(volume.read(**open, 100, 0).value_or("gone") == "other text");
}

TEST_CASE("an open file outlives its names, whatever was known of them", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(exclusive_on(server), {});
  Inode& root = volume.root();
  // Not by us: nothing is known but what the server says.
  std::ofstream(server.directory() + "/a") << "of a";
  std::ofstream(server.directory() + "/b") << "of b";
  const auto look_up_all = [&] {
    for (const char* name : {"a", "b", "c"}) (void)volume.lookup(root, name);
  };
  const auto file = volume.lookup(root, "a");
  REQUIRE(file);
  const auto open = volume.open(*file->inode, O_RDONLY);
  REQUIRE(open);
  look_up_all();
  SECTION("one name after the other") {
    REQUIRE(volume.link(*file->inode, root, "c"));
    look_up_all();
    REQUIRE(volume.unlink(root, "a"));
    REQUIRE(volume.unlink(root, "c"));
  }
  SECTION("by a name that was made since the look-up") {
    REQUIRE(volume.link(*file->inode, root, "c"));
    REQUIRE(volume.unlink(root, "a"));
    REQUIRE(volume.unlink(root, "c"));
  }
  SECTION("by the name of another that it has replaced") {
    REQUIRE(volume.rename(root, "a", root, "b"));
    REQUIRE(volume.unlink(root, "b"));
  }
  SECTION("by a name that another had, which was removed") {
    REQUIRE(volume.unlink(root, "b"));
    REQUIRE(volume.rename(root, "a", root, "b"));
    REQUIRE(volume.unlink(root, "b"));
  }
  SECTION("replaced by another") { REQUIRE(volume.rename(root, "b", root, "a")); }
  CHECK(volume.read(**open, 100, 0).value_or("gone") == "of a");
}

TEST_CASE("what we put into a directory that we have made is found", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(exclusive_on(server), {});
  const auto made = volume.make_directory(volume.root(), "d", 0755);
  REQUIRE(made);
  Inode& directory = *made->inode;
  const Known file = volume.put(directory, "file", "text");
  CHECK(volume.lookup(directory, "file"));
  REQUIRE(volume.link(*file.inode, directory, "link"));
  CHECK(volume.lookup(directory, "link"));
  REQUIRE(volume.rename(directory, "file", directory, "moved"));
  CHECK(volume.lookup(directory, "moved"));
  CHECK(code_of(volume.lookup(directory, "file")) == ENOENT);
  REQUIRE(volume.make_directory(directory, "sub", 0755));
  CHECK(volume.lookup(directory, "sub"));
  REQUIRE(volume.unlink(directory, "moved"));
  CHECK(code_of(volume.lookup(directory, "moved")) == ENOENT);
  // By O_EXCL, which exclusive volumes do in one step.
  CHECK(code_of(volume.create(directory, "link", O_RDWR | O_EXCL)) == EEXIST);
  REQUIRE(volume.create(directory, "new", O_RDWR | O_EXCL));
  CHECK(volume.lookup(directory, "new"));
}

TEST_CASE("a listing does not bring back what has been changed since it was begun", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(backend_on(server.options()), {});
  const Known changed = volume.put(volume.root(), "changed", "text");
  volume.put(volume.root(), "same", "text");
  const auto opened = ask<std::unique_ptr<File>>(
      [&](auto answer) { volume.backend().open_directory({}, volume.root(), std::move(answer)); });
  REQUIRE(opened);
  const auto described = [&] {
    std::set<std::string> names;
    const auto listed = volume.list(**opened, 0, 100, true);
    REQUIRE(listed);
    for (const auto& entry : *listed)
      if (!entry.key.empty()) names.insert(entry.name);
    return names;
  };
  SECTION("a mode") {
    REQUIRE(volume.change(*changed.inode, {.mode = 0600}));
    CHECK(described() == std::set<std::string>{"same"});
  }
  SECTION("names") {
    REQUIRE(volume.rename(volume.root(), "changed", volume.root(), "moved"));
    CHECK(described().empty());
  }
  SECTION("but tells of what was not") {
    CHECK(described() == std::set<std::string>{"changed", "same"});
  }
}

}  // namespace claimfs::tests
