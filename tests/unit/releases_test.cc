#include "control/releases.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/fd.h"
#include "tests/unit/mounts_of_one_store.h"
#include "tests/unit/scratch.h"
#include "volumes/lifecycle.h"

namespace claimfs::control {
namespace {

using Nodes = std::set<std::string>;

}  // namespace

TEST_CASE("releases: a claim goes when every mount has let go of it", "[releases]") {
  SharedStore shared;
  shared.add("data", {"ReadWriteMany"});
  shared.add("other", {"ReadWriteMany"});
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.use("data"));
  REQUIRE(a.use("other"));
  b.hold("data");  // a bind mount of the root: never attached
  shared.mark_deleted("data");
  std::this_thread::sleep_for(500ms);
  CHECK_FALSE(a.has_released("data"));
  CHECK_FALSE(b.has_released("data"));
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-a"});
  a.let_go("data");
  CHECK(comes_true([&] { return a.has_released("data"); }));
  CHECK(shared.attachments("pv-data").empty());
  CHECK_FALSE(b.has_released("data"));
  b.let_go("data");
  CHECK(comes_true([&] { return b.has_released("data"); }));
  CHECK(shared.nodes_at("pv-other") == Nodes{"node-a"});
  // A mount that comes later says so, too.
  OneMount c(shared, "node-c");
  CHECK(comes_true([&] { return c.has_released("data"); }));
  CHECK_FALSE(a.has_lost("data"));
}

TEST_CASE("releases: of a claim that was never shown nothing is held", "[releases]") {
  SharedStore shared;
  shared.add("data", {"ReadWriteOnce"});
  OneMount a(shared, "node-a");
  a.answers_at_once = true;  // from turn()'s own thread
  shared.mark_deleted("data");
  CHECK(comes_true([&] { return a.has_released("data"); }, 5s));
  shared.add("next", {"ReadWriteOnce"});
  CHECK(comes_true([&] { return a.code("next") == 0; }));
}

TEST_CASE("releases: an attachment that somebody takes away is lost", "[releases]") {
  SharedStore shared;
  shared.add("data", {"ReadWriteOnce"});
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.use("data"));
  REQUIRE(shared.store->remove({Kind::Attachment, "", "pv-data@node-a.1"}, ""));
  CHECK(comes_true([&] { return a.has_lost("data"); }));
  CHECK(b.code("data") == 0);
  CHECK_FALSE(b.has_lost("data"));
  // What was given up when asked is not lost.
  CHECK(comes_true([&] { return a.code("data") == 0; }, 5s));
  CHECK_FALSE(b.has_lost("data"));
}

TEST_CASE("releases: an attachment is lost however soon it is taken away", "[releases]") {
  SharedStore shared;
  store::Store& store = *shared.store;
  shared.add("data", {"ReadWriteOnce"});
  EventRecorder events(store, system_clock(), "claimfs", "node-a");
  std::set<std::string> lost;
  Releases releases(store, "node-a.1",
                    {.prove_unused = [](const auto&, bool, const auto&) {},
                     .let_in = [](const auto&) {},
                     .lose = [&](const std::string& claim_uid) { lost.insert(claim_uid); },
                     .users = [](const auto&, const auto&) { return std::string(); }});
  Attachments attachments(store, events, {"node-a", "node-a.1"}, nullptr);
  attachments.set_attached([&](const std::string& attachment, const std::string& claim_uid) {
    releases.attached(attachment, claim_uid);
  });
  Mirror mirror(store, [&](const volumes::ObjectKey& key) { releases.touched(key); });
  REQUIRE(mirror.relist());
  releases.turn(mirror);
  auto attached = attachments.ask(
      {.name_space = "default", .claim = "data", .uid = "", .writes = true, .backing = {}});
  attachments.turn(mirror);
  REQUIRE(attached.get());
  // It goes before its mount has looked at it even once.
  REQUIRE(store.remove({Kind::Attachment, "", "pv-data@node-a.1"}, ""));
  REQUIRE(mirror.follow(kLong));
  releases.turn(mirror);
  CHECK(lost == std::set<std::string>{"uid-data"});
}

TEST_CASE("releases: a dead mount's attachments go", "[releases]") {
  SharedStore shared;
  shared.add("data", {"ReadWriteOnce"});
  OneMount a(shared, "node-a"), b(shared, "node-b"), held(shared, "node-a", false);
  REQUIRE(a.use("data"));
  SECTION("at once") {
    a.die();
    CHECK(comes_true([&] { return shared.attachments().empty(); }));
    CHECK(b.code("data") == 0);
  }
  SECTION("but not those that are held") {
    REQUIRE(held.attach("data"));
    a.die();
    CHECK(comes_true([&] { return shared.attachments().size() == 1; }));
    std::this_thread::sleep_for(300ms);
    CHECK(shared.attachments().front().is_held());
  }
  SECTION("while a node waits for it") {
    std::jthread dying([&a] {
      std::this_thread::sleep_for(200ms);
      a.die();
    });
    CHECK(b.code("data") == 0);
  }
}

namespace {

// A FUSE mount that nobody serves and nobody looks at: its connection is there as long as this.
struct UnservedMount {
  UnservedMount() : fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC)) {
    REQUIRE(::mkdtemp(at.data()));
    const std::string options =
        "fd=" + std::to_string(fuse.get()) + ",rootmode=40000,user_id=0,group_id=0";
    if (::mount("unserved", at.c_str(), "fuse", 0, options.c_str()) != 0) return;  // no root
    // The third word is MAJOR:MINOR, the fifth the mount point (proc(5)).
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words(line);
      std::string id, parent, device, root, point;
      words >> id >> parent >> device >> root >> point;
      if (point == at)
        connection = static_cast<unsigned>(std::stoul(device.substr(device.find(':') + 1)));
    }
  }
  ~UnservedMount() {
    ::umount2(at.c_str(), MNT_DETACH);
    ::rmdir(at.c_str());
  }

  std::string at = tests::scratch("unserved");
  Fd fuse;
  unsigned connection = 0;
};

}  // namespace

TEST_CASE("dead mounts: passthrough is waited for, as long as its connection is there",
          "[releases]") {
  SharedStore shared;
  store::Store& store = *shared.store;
  const UnservedMount mounted;
  const unsigned connection = mounted.connection;
  const std::string none = passthrough_word(4'000'000'000, "/mnt/with a blank");
  std::string this_boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> this_boot;
  const std::string other_boot = std::to_string(connection) + " another-boot /mnt";
  struct Row {
    const char* name;
    std::string word;
    bool drains = false;
  };
  std::vector<Row> rows{{"no such connection", none},
                        {"another boot", other_boot},
                        {"nonsense", "nonsense"},
                        {"no passthrough", ""}};
  // Where this may mount.
  if (connection != 0) {
    rows.push_back({"its connection is there", passthrough_word(connection, "/mnt/m"), true});
    // fusectl may have been mounted anew since it was noted; or the number was given again.
    rows.push_back({"known by something else, and never seen alive",
                    other_boot.substr(0, other_boot.find(' ')) + " " + this_boot + " 1.2.3 /mnt/m",
                    true});
  }
  for (const Row& row : rows) {
    INFO(row.name);
    Attachment attachment{.metadata = {},
                          .volume = "pv-data",
                          .name_space = "default",
                          .claim = "data",
                          .node = "node-a",
                          .mount = "node-a.dead",
                          .passthrough = row.word};
    attachment.metadata.name = "pv-data@node-a.dead";
    shared.put(Kind::Attachment, attachment.document());
    std::vector<unsigned> unmounted;
    const UnmountDead unmount = [&](const std::string& mount_point, unsigned number) {
      CHECK(mount_point == "/mnt/m");
      unmounted.push_back(number);
    };
    Mirror mirror(store);
    REQUIRE(mirror.relist());
    const auto some_drain = remove_dead_attachments(store, mirror, unmount);
    REQUIRE(some_drain);
    CHECK(*some_drain == row.drains);
    CHECK(shared.attachments().size() == (row.drains ? 1 : 0));
    if (!row.drains) continue;
    CHECK(shared.attachments().front().is_draining);
    CHECK(unmounted == std::vector<unsigned>{connection});
    CHECK(remove_dead_attachments(store, mirror, nullptr).value());
    // By force.
    REQUIRE(store.remove({Kind::Attachment, "", attachment.metadata.name}, ""));
  }
}

}  // namespace claimfs::control
