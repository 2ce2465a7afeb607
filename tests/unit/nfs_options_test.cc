// Where an NFS volume is, and what its mount options mean.

#include "volumes/nfs_options.h"

#include <string>
#include <vector>

#include "tests/unit/catch.h"
#include "volumes/access_rules.h"

namespace claimfs::volumes {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

const AccessModes kMany = {AccessMode::ReadWriteMany};
const AccessModes kOnce = {AccessMode::ReadWriteOnce};

Volume volume_with(std::vector<std::string> options) {
  Volume volume;
  volume.source = NfsSource{.server = "files.example.com", .path = "/export/data"};
  volume.mount_options = std::move(options);
  return volume;
}

// The refusal; empty when it is none.
std::string refusal_of(const Volume& volume) {
  const auto options = nfs_options(volume, kMany, {});
  return options ? "" : options.error();
}

NfsOptions taken(std::vector<std::string> options, AccessModes modes = kMany) {
  INFO(refusal_of(volume_with(options)));
  const auto result = nfs_options(volume_with(options), modes, {});
  REQUIRE(result);
  return *result;
}

TEST_CASE("an NFS volume without options", "[nfs-options]") {
  const NfsOptions options = taken({});
  CHECK(options.server == "files.example.com");
  CHECK(options.path == "/export/data");
  CHECK_FALSE(options.read_only);
  CHECK(options.hard);
  CHECK_FALSE(options.soft_deadline);
  CHECK(options.timeout == 60s);
  CHECK(options.retransmissions == 2);
  CHECK(options.connections == 4);
  CHECK(options.read_size == 1'048'576);
  CHECK(options.write_size == 1'048'576);
  CHECK_FALSE(options.port);
  CHECK_FALSE(options.mount_port);
  CHECK(options.reserved_port);
  CHECK_FALSE(options.local_locks);
  CHECK_FALSE(options.exclusive);
}

TEST_CASE("numbers among the mount options of NFS", "[nfs-options]") {
  CHECK(taken({"port=2049"}).port == 2049);
  CHECK(taken({"port=65535"}).port == 65'535);
  CHECK_FALSE(taken({"port=0"}).port);
  CHECK(taken({"mountport=20048"}).mount_port == 20'048);
  CHECK_FALSE(taken({"mountport=20048", "mountport=0"}).mount_port);
  CHECK(taken({"nconnect=1"}).connections == 1);
  CHECK(taken({"nconnect=16"}).connections == 16);
  CHECK(taken({"timeo=1"}).timeout == 100ms);
  CHECK(taken({"timeo=600"}).timeout == 60s);
  CHECK(taken({"timeo=2147483647"}).timeout == 600s);
  CHECK(taken({"retrans=0"}).retransmissions == 0);

  const std::pair<const char*, std::uint32_t> sizes[] = {
      {"0", 1'048'576},
      {"1", 4096},
      {"1023", 4096},
      {"1024", 1024},
      {"1025", 1024},
      {"65535", 64'512},
      {"65536", 65'536},
      {"1048575", 1'047'552},
      {"1048576", 1'048'576},
      {"2000000", 1'048'576},
      {"2147483647", 1'048'576},
  };
  for (const auto& [asked, size] : sizes) {
    INFO(asked);
    CHECK(taken({std::string("rsize=") + asked}).read_size == size);
    CHECK(taken({std::string("wsize=") + asked}).write_size == size);
  }
}

TEST_CASE("hard and soft, and how long soft waits", "[nfs-options]") {
  const struct {
    std::vector<std::string> options;
    std::optional<milliseconds> deadline;
  } rows[] = {
      {{"hard"}, std::nullopt},
      {{"soft"}, 30s},
      {{"softerr"}, 30s},
      {{"soft", "timeo=50"}, 15s},
      {{"soft", "timeo=50", "retrans=0"}, 5s},
      {{"timeo=10", "retrans=4", "soft"}, 5s},
      {{"soft", "retrans=1"}, 120s},
      {{"soft", "timeo=6000", "retrans=2147483647"}, 600s},
      {{"soft", "hard"}, std::nullopt},
      {{"hard", "soft"}, 30s},
      {{"soft,timeo=20", "retrans=1"}, 4s},
  };
  for (const auto& row : rows) {
    INFO(row.options.front() << " and " << row.options.size() - 1 << " more");
    const NfsOptions options = taken(row.options);
    CHECK(options.hard == !row.deadline);
    CHECK(options.soft_deadline == row.deadline);
  }
  const auto configured =
      nfs_options(volume_with({"soft"}), kMany, {.soft_deadline = 7s, .connections = 2});
  REQUIRE(configured);
  CHECK(configured->soft_deadline == 7s);
  CHECK(configured->connections == 2);
  CHECK(nfs_options(volume_with({"nconnect=8"}), kMany, {.connections = 2})->connections == 8);
}

TEST_CASE("who has an NFS volume to themselves, and where its locks are", "[nfs-options]") {
  const AccessMode rwo = AccessMode::ReadWriteOnce, rox = AccessMode::ReadOnlyMany,
                   rwx = AccessMode::ReadWriteMany, rwop = AccessMode::ReadWriteOncePod;
  const struct {
    AccessModes modes;
    std::vector<std::string> options;
    bool exclusive, local_locks;
  } rows[] = {
      {{rwo}, {}, true, true},
      {{rwop}, {}, true, true},
      {{rwo, rwop}, {}, true, true},
      {{rwo, rox}, {}, false, false},
      {{rwx}, {}, false, false},
      {{rwo, rwx}, {}, false, false},
      {{rox}, {}, false, false},
      {{}, {}, false, false},
      {{rwo}, {"lock"}, true, false},
      {{rwo}, {"local_lock=none"}, true, false},
      {{rwo}, {"lock", "nolock"}, true, true},
      {{rwo}, {"nolock", "lock"}, true, false},
      {{rwo}, {"local_lock=all"}, true, true},
      // Where others may be, a lock that they do not hear of would be none.
      {{rwx}, {"nolock"}, false, false},
      {{rwx}, {"local_lock=all"}, false, false},
      {{rwo, rox}, {"nolock"}, false, false},
  };
  for (const auto& row : rows) {
    INFO(row.modes.canonical() << (row.options.empty() ? "" : row.options.back()));
    const NfsOptions options = taken(row.options, row.modes);
    CHECK(options.exclusive == row.exclusive);
    CHECK(options.local_locks == row.local_locks);
  }
}

TEST_CASE("the last of ro and rw wins, but for a source that is read-only", "[nfs-options]") {
  const struct {
    std::vector<std::string> options;
    bool source_is_read_only, is_read_only;
  } rows[] = {
      {{}, false, false},          {{"ro"}, false, true},
      {{"rw"}, false, false},      {{"ro", "rw"}, false, false},
      {{"rw", "ro"}, false, true}, {{"soft,ro"}, false, true},
      {{"ro,rw"}, false, false},   {{}, true, true},
      {{"rw"}, true, true},
  };
  for (const auto& row : rows) {
    Volume volume = volume_with(row.options);
    std::get<NfsSource>(volume.source).read_only = row.source_is_read_only;
    INFO((row.options.empty() ? "" : row.options.back()) << row.source_is_read_only);
    CHECK(nfs_options(volume, kMany, {})->read_only == row.is_read_only);
    Claim claim;
    claim.access_modes = kMany;
    CHECK(is_read_only(claim, volume) == row.is_read_only);
  }
}

TEST_CASE("reserved ports", "[nfs-options]") {
  CHECK(taken({"noresvport"}).reserved_port == false);
  CHECK(taken({"noresvport", "resvport"}).reserved_port);
}

TEST_CASE("what is accepted without effect", "[nfs-options]") {
  for (const char* option : {"nfsvers=3",
                             "vers=3",
                             "v3",
                             "proto=tcp",
                             "proto=tcp6",
                             "tcp",
                             "mountproto=tcp",
                             "mountvers=3",
                             "sec=sys",
                             "sec=krb5:sys",
                             "xprtsec=none",
                             "bg",
                             "fg",
                             "intr",
                             "nointr",
                             "retry=2",
                             "ac",
                             "acregmin=3",
                             "acregmax=60",
                             "acdirmin=30",
                             "cto",
                             "nocto",
                             "rdirplus",
                             "nordirplus",
                             "nofsc",
                             "noacl",
                             "sharecache",
                             "nosharecache",
                             "noatime",
                             "relatime",
                             "nosuid",
                             "nodev",
                             "exec",
                             "async",
                             "defaults",
                             "_netdev",
                             "nofail",
                             "x-systemd.automount",
                             "comment=any"}) {
    INFO(option);
    CHECK(refusal_of(volume_with({option})).empty());
  }
  CHECK(refusal_of(volume_with({"", ",", "hard,,nolock,"})).empty());
}

TEST_CASE("for how long names are believed at most", "[nfs-options]") {
  const struct {
    std::vector<std::string> options;
    std::chrono::seconds names, absent_names;
  } rows[] = {
      {{}, 30s, 30s},
      {{"actimeo=600"}, 30s, 30s},
      {{"actimeo=1"}, 1s, 1s},
      {{"acregmax=5", "acdirmin=2"}, 30s, 30s},
      {{"acdirmax=5", "actimeo=10"}, 10s, 10s},
      {{"lookupcache=pos"}, 30s, 1s},
      {{"lookupcache=positive", "lookupcache=all"}, 30s, 30s},
  };
  for (const auto& [options, names, absent_names] : rows) {
    CHECK(taken(options).names_believed == names);
    CHECK(taken(options).absent_names_believed == absent_names);
  }
}

TEST_CASE("mount options that are refused, by name", "[nfs-options]") {
  const std::string version4 =
      "NFSv4 is not served, because the client library does not write reliably with it; use "
      "nfsvers=3, which most servers of NFSv4 offer too";
  const std::string port = "a number from 0 to 65535 is wanted";
  const std::string gathered =
      "writes are gathered until fsync or close; a program that wants each one on the server "
      "opens its files with O_SYNC";
  const std::pair<const char*, std::string> rows[] = {
      {"nfsvers=4", version4},
      {"nfsvers=4.1", version4},
      {"vers=4.2", version4},
      {"v4.2", version4},
      {"minorversion=1", version4},
      {"nfsvers=2", "only NFS version 3 is served; use nfsvers=3"},
      {"nfsvers=", "only NFS version 3 is served; use nfsvers=3"},
      {"vers", "only NFS version 3 is served; use nfsvers=3"},
      {"nfsvers=3 3", "only NFS version 3 is served; use nfsvers=3"},
      {"proto=udp", "only TCP is served; use proto=tcp"},
      {"proto=rdma", "only TCP is served; use proto=tcp"},
      {"udp", "only TCP is served; use proto=tcp"},
      {"mountproto=udp", "only TCP is served; use proto=tcp"},
      {"mountvers=1", "only version 3 of the MOUNT protocol is served"},
      {"sec=krb5",
       "only sec=sys is served: the server believes who the callers are, so trust the "
       "network"},
      {"port=65536", port},
      {"port=-1", port},
      {"port=2049x", port},
      {"port= 1", port},
      {"port=", port},
      {"port", port},
      {"nconnect=0", "a number from 1 to 16 is wanted"},
      {"nconnect=17", "a number from 1 to 16 is wanted"},
      {"timeo=0", "a number from 1 to 2147483647 is wanted"},
      {"rsize=99999999999", "a number from 0 to 2147483647 is wanted"},
      {"actimeo=0",
       "a number from 1 to 2147483647 is wanted: what a claim's users were told of a "
       "file is believed for a second"},
      {"lookupcache=none", "what a claim's users were told of a file is believed for a second"},
      {"local_lock=some", "none, all, flock or posix is wanted"},
      {"soft=1", "it takes no value"},
      {"noatime=1", "it takes no value"},
      {"noac", gathered},
      {"sync", gathered},
      {"noexec", "it cannot be kept for one claim; give it to the whole tree, `claimfs mount -o`"},
      {"acl", "access control lists are not served over NFS"},
  };
  for (const auto& [option, why] : rows) {
    INFO(option);
    CHECK(refusal_of(volume_with({"hard", option, "soft"})) ==
          "mount option \"" + std::string(option) + "\": " + why);
  }
  CHECK(refusal_of(volume_with({"foo"})) == "mount option \"foo\" is not known");
  CHECK(refusal_of(volume_with({"hard,foo=1"})) == "mount option \"foo\" is not known");
  CHECK(refusal_of(volume_with({"HARD"})) == "mount option \"HARD\" is not known");
  CHECK(refusal_of(volume_with({"a\tb"})) == "mount option \"a\\tb\" is not known");
  CHECK(refusal_of(volume_with({"=3"})) == "mount option \"\" is not known");
}

TEST_CASE("where an NFS volume is", "[nfs-options]") {
  const struct {
    const char *server, *path, *is_server, *refusal;
  } rows[] = {
      {"10.0.0.1", "/", "10.0.0.1", ""},
      {"::1", "/e", "::1", ""},
      {"[fe80::1]", "/e", "fe80::1", ""},
      {"[]", "/e", "[]", ""},
      {"", "/e", "", "server \"\" is neither a host name nor an address"},
      {"a b", "/e", "", "server \"a b\" is neither a host name nor an address"},
      {"a/b", "/e", "", "server \"a/b\" is neither a host name nor an address"},
      {"s", "", "", "path \"\" is not an absolute path"},
      {"s", "e", "", "path \"e\" is not an absolute path"},
  };
  for (const auto& row : rows) {
    INFO(row.server << " " << row.path);
    Volume volume;
    volume.source = NfsSource{.server = row.server, .path = row.path};
    CHECK(is_nfs(volume));
    CHECK(refusal_of(volume) == row.refusal);
    if (const auto options = nfs_options(volume, kMany, {})) {
      CHECK(options->server == row.is_server);
      CHECK(options->path == row.path);
    }
  }
  Volume other;
  other.source = HostPathSource{.path = "/e", .type = ""};
  CHECK_FALSE(is_nfs(other));
  CHECK(refusal_of(other) == "it is not an NFS volume");
}

}  // namespace
}  // namespace claimfs::volumes
