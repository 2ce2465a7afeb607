#include "backends/nfs/kept_changes.h"

#include <sys/stat.h>

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {
namespace {

using namespace std::chrono_literals;
using Clock = KeptChanges::Clock;

constexpr AttributeChanges::Time at(time_t seconds) {
  return {.now = false, .value = {.tv_sec = seconds, .tv_nsec = 0}};
}

const Clock::time_point kMadeAt{1000s};

// A file that this caller has made, and of which the server said that it is this one's.
struct MadeFile {
  Identity maker;
  KeptChanges kept;

  explicit MadeFile(uid_t by, uid_t owner, mode_t mode = S_IFREG | 0600) {
    maker.uid = maker.gid = by;
    kept.made(maker, {.mode = mode, .uid = owner, .gid = owner}, kMadeAt);
  }
  explicit MadeFile(uid_t by) : MadeFile(by, by) {}
  bool keep(const AttributeChanges& changes, Clock::duration later = 1s) {
    return kept.keep(maker, changes, kMadeAt + later);
  }
};

constexpr uid_t kRoot = 0;
constexpr uid_t kUser = 1000;
constexpr uid_t kNobody = 65534;

}  // namespace

TEST_CASE("kept changes: those that the server would make for sure", "[nfs][kept]") {
  struct Row {
    const char* what;
    AttributeChanges changes;
    bool for_root;
    bool for_user;
  };
  const Row rows[] = {
      {"rights", {.mode = 0640}, true, true},
      {"times", {.atime = at(1), .mtime = at(2)}, true, true},
      {"one time", {.mtime = at(2)}, true, true},
      {"an owner", {.uid = kUser, .kill_set_id = true}, true, false},
      {"a group", {.gid = kUser, .kill_set_id = true}, true, false},
      {"a set-uid bit", {.mode = 04755}, false, false},
      {"a set-gid bit", {.mode = 02755}, false, false},
      {"a sticky bit", {.mode = 01755}, false, false},
      {"a size", {.size = 0}, false, false},
      {"the server's time",
       {.mtime = AttributeChanges::Time{.now = true, .value = {}}},
       false,
       false},
      {"half of it",
       {.atime = AttributeChanges::Time{.now = true, .value = {}}, .mtime = at(1)},
       false,
       false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(MadeFile(kRoot).keep(row.changes) == row.for_root);
    CHECK(MadeFile(kUser).keep(row.changes) == row.for_user);
    // Somebody whom the server takes for another.
    CHECK_FALSE(MadeFile(kRoot, kNobody).keep(row.changes));
    CHECK_FALSE(MadeFile(kUser, kNobody).keep(row.changes));
  }
}

TEST_CASE("kept changes: of who has made the file, while what it was is known", "[nfs][kept]") {
  const AttributeChanges changes{.mode = 0640};
  MadeFile file(kUser);
  CHECK(file.keep(changes, KeptChanges::kWhile));
  CHECK_FALSE(file.keep(changes, KeptChanges::kWhile + 1ms));
  Identity other;
  CHECK_FALSE(file.kept.keep(other, changes, kMadeAt));
  Identity in_another_group = file.maker;
  in_another_group.gid = 5;
  CHECK_FALSE(file.kept.keep(in_another_group, changes, kMadeAt));
  file.kept.keep_no_more();
  CHECK_FALSE(file.keep(changes));
  CHECK(file.kept.has_any());  // what was kept is not lost by that
  CHECK(file.kept.next()->changes.mode == 0640U);
  CHECK_FALSE(MadeFile(kUser, kUser, S_IFREG | 02600).keep(changes));
  CHECK_FALSE(KeptChanges().keep(file.maker, changes, kMadeAt));  // opened, not made
}

TEST_CASE("kept changes: they go as one, and once", "[nfs][kept]") {
  MadeFile file(kRoot);
  CHECK_FALSE(file.kept.has_any());
  CHECK_FALSE(file.kept.next());
  REQUIRE(file.keep({.atime = at(1), .mtime = at(2)}));
  REQUIRE(file.keep({.uid = kUser, .gid = kUser}));
  REQUIRE(file.keep({.mode = 0640}));
  REQUIRE(file.keep({.mtime = at(3)}));
  const std::uint64_t all = file.kept.last();
  CHECK_FALSE(file.kept.is_settled(all));
  const auto sending = file.kept.next();
  REQUIRE(sending);
  CHECK(sending->who.uid == kRoot);
  CHECK(sending->changes.mode == 0640U);
  CHECK(sending->changes.uid == kUser);
  CHECK(sending->changes.gid == kUser);
  CHECK(sending->changes.atime->value.tv_sec == 1);
  CHECK(sending->changes.mtime->value.tv_sec == 3);
  CHECK(file.kept.is_sending());
  CHECK_FALSE(file.kept.next());
  // What comes meanwhile goes after it, alone.
  REQUIRE(file.keep({.mode = 0600}));
  CHECK_FALSE(file.kept.next());
  file.kept.sent(true, kMadeAt + 2s);
  CHECK(file.kept.is_settled(all));
  CHECK(file.kept.has_any());
  const auto second = file.kept.next();
  REQUIRE(second);
  CHECK(second->changes.mode == 0600U);
  CHECK_FALSE(second->changes.uid);
  CHECK_FALSE(second->changes.mtime);
  file.kept.sent(false, kMadeAt + 3s);
  CHECK_FALSE(file.kept.has_any());
  CHECK_FALSE(file.kept.next());
}

TEST_CASE("kept changes: a time that was set before writing is that of the writing",
          "[nfs][kept]") {
  MadeFile file(kUser);
  REQUIRE(file.keep({.atime = at(1), .mtime = at(2)}));
  file.kept.wrote();
  const auto sending = file.kept.next();
  REQUIRE(sending);
  CHECK(sending->changes.atime);
  CHECK_FALSE(sending->changes.mtime);
}

TEST_CASE("kept changes: answers show them, whenever they were asked for", "[nfs][kept]") {
  MadeFile file(kRoot);
  REQUIRE(file.keep({.mode = 0640, .uid = kUser, .mtime = at(7)}));
  const auto seen = [&](Clock::time_point asked_at) {
    Attributes attributes{.mode = S_IFREG | 0600, .nlink = 2, .mtime = at(99).value};
    file.kept.lay_over(attributes, asked_at);
    CHECK(attributes.nlink == 2);
    return attributes;
  };
  const auto check_shown = [&](Clock::time_point asked_at, bool is_shown) {
    CHECK(seen(asked_at).mode == (S_IFREG | (is_shown ? 0640U : 0600U)));
    CHECK(seen(asked_at).uid == (is_shown ? kUser : kRoot));
    CHECK(seen(asked_at).mtime.tv_sec == (is_shown ? 7 : 99));
  };
  check_shown(kMadeAt + 5s, true);
  REQUIRE(file.kept.next());
  check_shown(kMadeAt + 5s, true);
  const auto done_at = kMadeAt + 6s;
  file.kept.sent(true, done_at);
  check_shown(done_at, true);         // the server may have been asked before it knew
  check_shown(done_at + 1ms, false);  // it has said so itself
  SECTION("the server was told others since") {
    file.kept.others_were_set();
    check_shown(done_at, false);
  }
  SECTION("it was written to since") {
    file.kept.wrote();
    CHECK(seen(done_at).mtime.tv_sec == 99);
    CHECK(seen(done_at).mode == (S_IFREG | 0640U));
  }
}

TEST_CASE("kept changes: what the server refuses is not shown", "[nfs][kept]") {
  MadeFile file(kUser);
  REQUIRE(file.keep({.mode = 0640}));
  REQUIRE(file.kept.next());
  file.kept.sent(false, kMadeAt + 2s);
  Attributes attributes{.mode = S_IFREG | 0600};
  file.kept.lay_over(attributes, kMadeAt + 1s);
  CHECK(attributes.mode == (S_IFREG | 0600U));
}

}  // namespace claimfs::backends::nfs
