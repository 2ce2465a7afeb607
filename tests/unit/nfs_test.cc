#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "backends/nfs/attributes_of.h"
#include "backends/nfs/status.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

TEST_CASE("times are those that NFSv3 has: from 1970 to 2106", "[nfs]") {
  struct Row {
    timespec asked;
    timespec told;
  };
  constexpr std::int64_t kLast = UINT32_MAX;
  constexpr Row kRows[] = {
      {{0, 0}, {0, 0}},
      {{1'500'000'000, 987'654'321}, {1'500'000'000, 987'654'321}},
      {{2'147'483'648, 1}, {2'147'483'648, 1}},  // no sign
      {{kLast, 999'999'999}, {kLast, 999'999'999}},
      {{kLast + 1, 5}, {kLast, 0}},
      {{-1, 999'999'999}, {0, 0}},
      {{-2'147'483'648, 0}, {0, 0}},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.asked.tv_sec, row.asked.tv_nsec);
    backends::AttributeChanges changes;
    changes.mtime = backends::AttributeChanges::Time{.now = false, .value = row.asked};
    fattr3 kept{};
    kept.type = NF3REG;
    kept.mtime = nfs::to_sattr(changes).mtime.set_mtime_u.mtime;
    const backends::Attributes told = nfs::attributes_of(kept, 0);
    CHECK(told.mtime.tv_sec == row.told.tv_sec);
    CHECK(told.mtime.tv_nsec == row.told.tv_nsec);
  }
}

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

// Of the server by its address alone.
void check_found_by_port_mapper(const NfsServer& server, const char* address) {
  volumes::NfsOptions options = server.options();
  options.server = address;
  options.port.reset();
  options.mount_port.reset();
  // The server tells the port mapper after it has begun to listen.
  REQUIRE(comes_true([&] { return backend_on(options)->start().has_value(); }));
  Volume volume(backend_on(options), {});
  volume.put(volume.root(), "file", "text");
  CHECK(comes_true([&] { return std::filesystem::file_size(server.directory() + "/file") == 4; }));
}

TEST_CASE("the port mapper knows the server's ports", "[nfs]") {
  if (!can_run()) return;
  in_network_of_its_own([] {
    const NfsServer server;
    check_found_by_port_mapper(server, "127.0.0.1");
  });
}

TEST_CASE("the port mapper knows the server's ports by IPv6, too", "[nfs]") {
  if (!can_run()) return;
  in_network_of_its_own([] {
    std::ifstream addresses("/proc/thread-self/net/if_inet6");
    if (std::string line; !std::getline(addresses, line)) return;  // there is none
    const NfsServer server({.address = "::0"});
    check_found_by_port_mapper(server, "::1");
  });
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
