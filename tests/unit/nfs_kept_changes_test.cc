// Attributes that a volume sets behind a file's data: what is on the server's disk, and when.

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

AttributeChanges::Time at(time_t seconds) {
  return {.now = false, .value = {.tv_sec = seconds, .tv_nsec = 0}};
}

// A file that was just made on a volume that nobody else changes, and is open.
struct MadeFile {
  explicit MadeFile(NfsServer::Export exported = {}) : server(exported) {
    std::filesystem::permissions(server.directory(), std::filesystem::perms::all);
    volumes::NfsOptions options = server.options();
    options.exclusive = true;
    volume = std::make_unique<Volume>(backend_on(options), Features{});
    auto created = volume->create(volume->root(), "file", O_RDWR | O_EXCL);
    REQUIRE(created);
    inode = created->known.inode;
    file = std::move(created->file);
  }

  struct stat on_disk() const {
    struct stat found {};
    REQUIRE(::stat((server.directory() + "/file").c_str(), &found) == 0);
    return found;
  }
  bool has_mode(mode_t mode) const { return (on_disk().st_mode & 07777) == mode; }
  int change(const AttributeChanges& changes) { return code_of(volume->change(*inode, changes)); }
  int sync() {
    return code_of(ask<void>(
        [&](auto answer) { volume->backend().sync({}, *file, false, std::move(answer)); }));
  }
  int close() {
    return code_of(
        ask<void>([&](auto answer) { volume->backend().flush({}, *file, std::move(answer)); }));
  }
  // As tar does.
  void write_and_change() {
    REQUIRE(volume->write(*file, "text", 0) == 4U);
    REQUIRE(change({.atime = at(1), .mtime = at(2)}) == 0);
    REQUIRE(change({.uid = 5, .gid = 6, .kill_set_id = true}) == 0);
    REQUIRE(change({.mode = 0640}) == 0);
  }
  void check_on_disk() const {
    const struct stat found = on_disk();
    CHECK(found.st_size == 4);
    CHECK((found.st_mode & 07777) == 0640);
    CHECK(found.st_uid == 5);
    CHECK(found.st_gid == 6);
    CHECK(found.st_atim.tv_sec == 1);
    CHECK(found.st_mtim.tv_sec == 2);
  }

  NfsServer server;
  std::unique_ptr<Volume> volume;
  Inode* inode = nullptr;
  std::unique_ptr<File> file;
};

}  // namespace

TEST_CASE("attributes of a new file are there when it is closed, synced or left", "[nfs][kept]") {
  if (!can_run()) return;
  MadeFile made;
  made.write_and_change();
  SECTION("closed") { CHECK(made.close() == 0); }
  SECTION("synced") { CHECK(made.sync() == 0); }
  SECTION("changed again, by others' rights or the server's clock") {
    CHECK(made.change({.atime = AttributeChanges::Time{.now = true, .value = {}}}) == 0);
    CHECK(made.on_disk().st_atim.tv_sec > 1);
    CHECK(made.change({.atime = at(1)}) == 0);
    CHECK(made.close() == 0);
  }
  SECTION("opened again") { CHECK(code_of(made.volume->open(*made.inode, O_RDONLY)) == 0); }
  SECTION("gone without being closed") {
    made.file.reset();
    CHECK(comes_true([&] { return made.has_mode(0640); }));
  }
  SECTION("left with its volume") {
    made.file.reset();
    made.volume.reset();
  }
  SECTION("left alone") {
    CHECK(comes_true([&] { return made.has_mode(0640); }));
  }
  made.check_on_disk();
}

TEST_CASE("attributes of a new file are seen before the server has them", "[nfs][kept]") {
  if (!can_run()) return;
  MadeFile made;
  made.server.freeze();
  made.write_and_change();  // waits for nobody
  made.server.thaw();
  const auto check_seen = [](const Attributes& seen) {
    CHECK((seen.mode & 07777) == 0640);
    CHECK(seen.uid == 5);
    CHECK(seen.size == 4);
    CHECK(seen.mtime.tv_sec == 2);
  };
  check_seen(made.volume->attributes(*made.inode).value());
  check_seen(made.volume->lookup(made.volume->root(), "file")->attributes);
  CHECK(made.close() == 0);
  check_seen(made.volume->attributes(*made.inode).value());
  made.check_on_disk();
}

TEST_CASE("what is written after a time was set has a time of its own", "[nfs][kept]") {
  if (!can_run()) return;
  MadeFile made;
  made.write_and_change();
  REQUIRE(made.volume->write(*made.file, "more", 0) == 4U);
  CHECK(made.close() == 0);
  CHECK(made.on_disk().st_mtim.tv_sec > 2);
  CHECK(made.on_disk().st_atim.tv_sec == 1);
  CHECK(made.has_mode(0640));
  // As what is cut off has.
  REQUIRE(made.change({.mtime = at(3)}) == 0);
  REQUIRE(made.change({.size = 2}) == 0);
  CHECK(made.close() == 0);
  CHECK(made.on_disk().st_size == 2);
  CHECK(made.on_disk().st_mtim.tv_sec > 3);
}

TEST_CASE("who is nobody to the server hears at once what he may not", "[nfs][kept]") {
  if (!can_run()) return;
  MadeFile made({.squash = "Root_Squash"});
  CHECK(made.change({.uid = 5}) == EPERM);
  CHECK(made.close() == 0);
}

TEST_CASE("attributes that cannot be set are told of when the file is closed", "[nfs][kept]") {
  if (!can_run()) return;
  MadeFile made;
  REQUIRE(made.change({.mode = 0640}) == 0);
  std::filesystem::remove(made.server.directory() + "/file");
  made.server.kill();  // it would keep a descriptor
  made.server.start();
  CHECK(made.close() == ESTALE);
  CHECK(made.close() == 0);
}

TEST_CASE("attributes that were synced are there after the server's crash", "[nfs][kept]") {
  if (!can_run()) return;
  MadeFile made;
  made.write_and_change();
  made.server.kill();
  int synced = -1;
  std::thread syncing([&] { synced = made.sync(); });
  made.server.start();
  syncing.join();
  CHECK(synced == 0);
  made.server.kill();
  made.check_on_disk();
  made.server.start();
}

}  // namespace claimfs::tests
