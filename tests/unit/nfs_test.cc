#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "backends/nfs.h"
#include "backends/nfs/status.h"
#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"
#include "tests/unit/nfs_server.h"

namespace claimfs::tests {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Whether the server-bound tests can run; says so when not.
bool can_run() {
  if (NfsServer::can_run()) return true;
  WARN("skipped: this needs root, nfs-ganesha and nfs-ganesha-vfs");
  return false;
}

std::unique_ptr<Backend> backend_on(const volumes::NfsOptions& options) {
  return make_nfs_backend(options, {});
}

std::size_t names_in(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), {}));
}

template <class Condition>
bool comes_true(Condition condition) {
  const auto until = Clock::now() + seconds(10);
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// A caller whose interruption comes from the test.
struct Interrupted final : Interruption {
  void on_interrupt(std::function<void()> give_up) override { now = std::move(give_up); }
  std::function<void()> now;
};

Caller caller_who_can(std::shared_ptr<Interrupted>& interruption) {
  Caller caller;
  caller.interruptions = {[](void* held) -> std::shared_ptr<Interruption> {
                            return *static_cast<std::shared_ptr<Interrupted>*>(held);
                          },
                          &interruption};
  return caller;
}

}  // namespace

TEST_CASE("a server's refusals are errnos", "[nfs]") {
  struct Row {
    nfsstat3 status;
    int error;
  };
  constexpr Row kRows[] = {
      {NFS3_OK, 0},
      {NFS3ERR_PERM, EPERM},
      {NFS3ERR_NOENT, ENOENT},
      {NFS3ERR_IO, EIO},
      {NFS3ERR_NXIO, ENXIO},
      {NFS3ERR_ACCES, EACCES},
      {NFS3ERR_EXIST, EEXIST},
      {NFS3ERR_XDEV, EXDEV},
      {NFS3ERR_NODEV, ENODEV},
      {NFS3ERR_NOTDIR, ENOTDIR},
      {NFS3ERR_ISDIR, EISDIR},
      {NFS3ERR_INVAL, EINVAL},
      {NFS3ERR_FBIG, EFBIG},
      {NFS3ERR_NOSPC, ENOSPC},
      {NFS3ERR_ROFS, EROFS},
      {NFS3ERR_MLINK, EMLINK},
      {NFS3ERR_NAMETOOLONG, ENAMETOOLONG},
      {NFS3ERR_NOTEMPTY, ENOTEMPTY},
      {NFS3ERR_DQUOT, ENOSPC},
      {NFS3ERR_STALE, ESTALE},
      {NFS3ERR_REMOTE, EREMOTE},
      {NFS3ERR_BADHANDLE, ESTALE},
      {NFS3ERR_NOT_SYNC, EIO},
      {NFS3ERR_BAD_COOKIE, EINVAL},
      {NFS3ERR_NOTSUPP, EOPNOTSUPP},
      {NFS3ERR_TOOSMALL, EIO},
      {NFS3ERR_SERVERFAULT, EREMOTEIO},
      {NFS3ERR_BADTYPE, EINVAL},
      {NFS3ERR_JUKEBOX, EAGAIN},
      {static_cast<nfsstat3>(4711), EIO},
  };
  for (const Row& row : kRows) {
    INFO(row.status);
    CHECK(nfs::errno_of(row.status) == row.error);
  }
  CHECK(nfs::mount_refusal(MNT3ERR_ACCES, "h:/p").context ==
        "mount.nfs: access denied by server while mounting h:/p");
  CHECK(nfs::mount_refusal(MNT3ERR_NOENT, "h:/p").context ==
        "mount.nfs: mounting h:/p failed, reason given by server: No such file or directory");
}

TEST_CASE("a mount that is refused says why", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  volumes::NfsOptions options = server.options();
  SECTION("a path that is not there") {
    options.path += "/absent";
    const Result<void> started = backend_on(options)->start();
    REQUIRE_FALSE(started);
    INFO(started.error().context);
    CHECK(started.error().context.starts_with("mount.nfs: "));
    CHECK(started.error().context.find(options.path) != std::string::npos);
  }
  SECTION("a port where nobody listens") {
    options.mount_port = std::uint16_t{1};
    const auto before = Clock::now();
    const Result<void> started = backend_on(options)->start();
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ECONNREFUSED);
    CHECK(started.error().context == "mount.nfs: Connection refused for 127.0.0.1:" + options.path);
    CHECK(Clock::now() - before < seconds(5));
  }
  SECTION("a host that there is not") {
    options.server = "no-such-host.invalid";
    const Result<void> started = backend_on(options)->start();
    REQUIRE_FALSE(started);
    CHECK(started.error().code == EHOSTUNREACH);
  }
}

TEST_CASE("the port mapper knows the server's ports", "[nfs]") {
  if (!can_run()) return;
  in_network_of_its_own([] {
    const NfsServer server;
    volumes::NfsOptions options = server.options();
    options.port.reset();
    options.mount_port.reset();
    Volume volume(backend_on(options), {});
    volume.put(volume.root(), "file", "text");
    CHECK(
        comes_true([&] { return std::filesystem::file_size(server.directory() + "/file") == 4; }));
  });
}

TEST_CASE("a volume goes on when its server has crashed and come back", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  const Known file = volume.put(volume.root(), "file", "before");
  server.kill();
  // Asked while there is nobody to answer.
  std::thread asking([&] {
    const auto writer = volume.open(*file.inode, O_RDWR);
    CHECK(code_of(writer) == 0);
    if (writer) CHECK(volume.write(**writer, "after!", 0) == 6U);
  });
  std::this_thread::sleep_for(milliseconds(300));
  server.start();
  asking.join();
  CHECK(volume.text_of(*file.inode) == "after!");
}

TEST_CASE("changes are done once though the server dies under them", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  constexpr int kFiles = 300;
  std::atomic<bool> is_over{false};
  std::thread crashing([&] {
    for (int crash = 0; crash < 3; ++crash) {
      std::this_thread::sleep_for(milliseconds(30));
      server.kill();
      server.start();
    }
    is_over = true;
  });
  int failures = 0;
  int number = 0;
  for (; number < kFiles || !is_over; ++number) {
    const std::string name = std::to_string(number);
    if (!volume.make_directory(volume.root(), "d" + name)) ++failures;
    if (!volume.create(volume.root(), name, O_RDWR | O_EXCL)) ++failures;
    if (!volume.rename(volume.root(), name, volume.root(), "r" + name)) ++failures;
    if (!volume.unlink(volume.root(), "r" + name)) ++failures;
    if (!volume.remove_directory(volume.root(), "d" + name)) ++failures;
  }
  crashing.join();
  CHECK(failures == 0);
  CHECK(names_in(server.directory()) == 0);
}

TEST_CASE("a soft volume gives up in time, a hard one waits", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  volumes::NfsOptions options = server.options();
  options.hard = false;
  options.soft_deadline = milliseconds(400);
  Volume soft(backend_on(options), {});
  server.freeze();
  const auto before = Clock::now();
  CHECK(code_of(soft.lookup(soft.root(), "x")) == ETIMEDOUT);
  CHECK(Clock::now() - before >= milliseconds(400));
  CHECK(Clock::now() - before < seconds(3));
  server.thaw();
  CHECK(code_of(soft.lookup(soft.root(), "x")) == ENOENT);
}

TEST_CASE("who is interrupted need not wait for the server", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  auto interruption = std::make_shared<Interrupted>();
  server.freeze();
  std::promise<int> answered;
  volume.backend().lookup(caller_who_can(interruption), volume.root(), "x",
                          [&](Result<Entry> found) {
                            answered.set_value(code_of(found));
                            return true;
                          });
  auto answer = answered.get_future();
  CHECK(answer.wait_for(milliseconds(100)) == std::future_status::timeout);
  REQUIRE(interruption->now);
  interruption->now();
  REQUIRE(answer.wait_for(seconds(1)) == std::future_status::ready);
  CHECK(answer.get() == EINTR);
  server.thaw();
  CHECK(code_of(volume.lookup(volume.root(), "x")) == ENOENT);  // the late reply harms nobody
}

TEST_CASE("a volume is left though its server does not answer", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  auto volume = std::make_unique<Volume>(backend_on(server.options()), Features{});
  server.freeze();
  std::promise<int> answered;
  volume->backend().lookup({}, volume->root(), "x", [&](Result<Entry> found) {
    answered.set_value(code_of(found));
    return true;
  });
  const auto before = Clock::now();
  volume.reset();
  CHECK(Clock::now() - before < seconds(5));
  CHECK(answered.get_future().get() == EIO);
  server.thaw();
}

TEST_CASE("a file that is open when it is removed goes with its last user", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(backend_on(server.options()), {});
  {
    auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
    REQUIRE(created);
    REQUIRE(volume.write(*created->file, "still here", 0));
    REQUIRE(volume.unlink(volume.root(), "file"));
    CHECK(volume.read(*created->file, 100, 0).value_or("?") == "still here");
    CHECK(volume.attributes(*created->known.inode)->nlink == 0);
    CHECK(names_in(server.directory()) == 1);  // hidden
    const auto opened = ask<std::unique_ptr<File>>([&](auto answer) {
      volume.backend().open_directory({}, volume.root(), std::move(answer));
    });
    CHECK(volume.list(**opened, 0, 100, false)->size() == 2);  // from here, too
    created->file.reset();
    CHECK(volume.text_of(*created->known.inode) == "still here");  // its inode is remembered
    volume.forget_all();
  }
  CHECK(comes_true([&] { return names_in(server.directory()) == 0; }));
}

TEST_CASE("written data survives the server's crash, and each error is told once", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  const auto sync = [&](File& file) {
    return code_of(
        ask<void>([&](auto answer) { volume.backend().sync({}, file, false, std::move(answer)); }));
  };
  const auto close = [&](File& file) {
    return code_of(
        ask<void>([&](auto answer) { volume.backend().flush({}, file, std::move(answer)); }));
  };
  auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(created);
  File& file = *created->file;
  SECTION("what was written before and during it") {
    const std::string part(1 << 20, 'p');
    std::string all;
    for (int number = 0; number < 24; ++number) {
      std::string text = part;
      text[0] = static_cast<char>('a' + number);
      REQUIRE(volume.write(file, text, static_cast<off_t>(all.size())) == text.size());
      all += text;
      if (number == 10) server.kill();
      if (number == 20) server.start();
    }
    CHECK(sync(file) == 0);
    server.kill();  // it takes with it what was not on disk
    std::ifstream on_disk(server.directory() + "/file", std::ios::binary);
    const std::string found{std::istreambuf_iterator<char>(on_disk), {}};
    CHECK((found == all));
    server.start();
  }
  SECTION("many small writes are seen at once and are few on the way") {
    std::string all;
    for (int number = 0; number < 1000; ++number) {
      const std::string text = std::to_string(number) + ' ';
      REQUIRE(volume.write(file, text, static_cast<off_t>(all.size())) == text.size());
      all += text;
    }
    CHECK(volume.attributes(*created->known.inode)->size == static_cast<off_t>(all.size()));
    CHECK(volume.lookup(volume.root(), "file")->attributes.size == static_cast<off_t>(all.size()));
    CHECK(volume.text_of(*created->known.inode) == all);
    CHECK(std::filesystem::file_size(server.directory() + "/file") == 0);
    CHECK(close(file) == 0);
    CHECK(std::filesystem::file_size(server.directory() + "/file") == all.size());
  }
  SECTION("data that rests goes by itself") {
    REQUIRE(volume.write(file, "text", 0) == 4U);
    CHECK(
        comes_true([&] { return std::filesystem::file_size(server.directory() + "/file") == 4; }));
  }
  SECTION("an error") {
    auto other = volume.open(*created->known.inode, O_RDWR);
    REQUIRE(other);
    REQUIRE(volume.write(file, "lost", 0) == 4U);
    std::filesystem::remove(server.directory() + "/file");
    server.kill();  // it would keep a descriptor
    server.start();
    CHECK(sync(file) == ESTALE);
    CHECK(sync(file) == 0);
    CHECK(close(**other) == ESTALE);  // to every open, once
    CHECK(close(**other) == 0);
    CHECK(close(file) == 0);
  }
}

TEST_CASE("a directory of 20,000 names is listed whole", "[nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  constexpr int kNames = 20'000;
  for (int number = 0; number < kNames; ++number)
    std::ofstream(server.directory() + "/name-" + std::to_string(number));
  Volume volume(backend_on(server.options()), {});
  const auto opened = ask<std::unique_ptr<File>>(
      [&](auto answer) { volume.backend().open_directory({}, volume.root(), std::move(answer)); });
  REQUIRE(opened);
  std::set<std::string> seen;
  std::uint64_t cursor = 0;
  std::size_t listed = 0;
  while (true) {
    const auto part = volume.list(**opened, cursor, 123, true);
    REQUIRE(part);
    if (part->empty()) break;
    for (const auto& entry : *part) seen.insert(entry.name);
    listed += part->size();
    cursor = part->back().next;
  }
  CHECK(listed == kNames + 2);
  CHECK(seen.size() == kNames + 2);
}

TEST_CASE("the server is told who asks", "[nfs]") {
  if (!can_run()) return;
  SECTION("root is nobody where the export squashes it") {
    const NfsServer server({.squash = "Root_Squash", .access = "RW"});
    std::filesystem::permissions(server.directory(), std::filesystem::perms(0777));
    Volume volume(backend_on(server.options()), {});
    const Known file = volume.put(volume.root(), "file", "");
    CHECK(file.attributes.uid != 0);
    std::ofstream(server.directory() + "/secret") << "text";
    std::filesystem::permissions(server.directory() + "/secret", std::filesystem::perms(0600));
    const auto secret = volume.lookup(volume.root(), "secret");
    REQUIRE(secret);
    CHECK(code_of(volume.open(*secret->inode, O_RDONLY)) == EACCES);
  }
  SECTION("an export that is read-only is one") {
    const NfsServer server({.squash = "No_Root_Squash", .access = "RO"});
    Volume volume(backend_on(server.options()), {});
    CHECK(code_of(volume.create(volume.root(), "file", O_RDWR)) == EROFS);
  }
  SECTION("and so is a volume that is") {
    const NfsServer server;
    volumes::NfsOptions options = server.options();
    options.read_only = true;
    Volume volume(backend_on(options), {});
    CHECK(code_of(volume.create(volume.root(), "file", O_RDWR)) == EROFS);
    CHECK(code_of(volume.change(volume.root(), {.mode = 0700})) == EROFS);
  }
}

}  // namespace claimfs::tests
