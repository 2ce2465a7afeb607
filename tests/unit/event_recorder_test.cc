#include "control/event_recorder.h"

#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::control {
namespace {

using volumes::Notice;

Notice notice_of(const std::string& claim, const std::string& message) {
  return {.about = {volumes::Kind::PersistentVolumeClaim, "default", claim},
          .uid = claim + "-uid",
          .type = Notice::Type::Normal,
          .reason = "FailedBinding",
          .message = message};
}

struct Bench {
  EventRecorder recorder() { return {*store, clock, "the-controller"}; }
  std::vector<volumes::Json> events() const {
    std::vector<volumes::Json> all;
    const auto listing = store->list(volumes::Kind::Event);
    for (const auto& object : listing->objects) all.push_back(object.document);
    return all;
  }

  store::Directory directory;
  std::unique_ptr<store::Store> store = *store::open_sqlite_store(directory.database());
  std::int64_t now = 1'000'000'000;
  Clock clock = [this] { return now; };
};

}  // namespace

TEST_CASE("a repetition is a count, told less and less often, restarts included", "[events]") {
  Bench bench;
  auto recorder = bench.recorder();
  for (int second = 0; second < 60; ++second, ++bench.now) recorder.record(notice_of("a", "no"));
  REQUIRE(bench.events().size() == 1);
  // At 0, 15 and 45 seconds.
  CHECK(bench.events()[0]["count"] == 3);
  CHECK(bench.events()[0]["firstTimestamp"] != bench.events()[0]["lastTimestamp"]);
  auto restarted = bench.recorder();
  restarted.record(notice_of("a", "no"));
  REQUIRE(bench.events().size() == 1);
  CHECK(bench.events()[0]["count"] == 4);
}

TEST_CASE("what differs in anything is an event of its own; many are one transaction", "[events]") {
  Bench bench;
  auto recorder = bench.recorder();
  std::vector<Notice> notices = {notice_of("a", "no"), notice_of("a", "no"), notice_of("b", "no"),
                                 notice_of("a", "why")};
  notices.push_back(notices[0]);
  notices.back().from = "somebody-else";
  const auto before = *bench.store->newest();
  recorder.record_all(notices);
  CHECK(bench.events().size() == 4);
  CHECK(*bench.store->newest() == before + 4);
  std::set<std::string> components;
  for (const auto& event : bench.events()) components.insert(event["source"]["component"]);
  CHECK(components == std::set<std::string>{"somebody-else", "the-controller"});
}

TEST_CASE("a repetition that somebody removed meanwhile is told anew", "[events]") {
  Bench bench;
  auto recorder = bench.recorder();
  recorder.record(notice_of("a", "no"));
  const auto listing = bench.store->list(volumes::Kind::Event);
  REQUIRE(bench.store->remove(listing->objects.front().key(), ""));
  bench.now += 3600;
  recorder.record_all({notice_of("a", "no"), notice_of("b", "no")});
  CHECK(bench.events().size() == 2);
}

TEST_CASE("events go after an hour, and the oldest where there are too many", "[events]") {
  Bench bench;
  auto recorder = bench.recorder();
  recorder.record(notice_of("old", "no"));
  bench.now += 3000;
  recorder.record(notice_of("young", "no"));
  recorder.expire();
  CHECK(bench.events().size() == 2);
  bench.now += 700;
  recorder.expire();
  REQUIRE(bench.events().size() == 1);
  CHECK(bench.events()[0]["involvedObject"]["name"] == "young");

  std::vector<Notice> many;
  for (int i = 0; i < 20'001; ++i) many.push_back(notice_of("claim-" + std::to_string(i), "no"));
  bench.now += 1;
  recorder.record_all(many);
  recorder.expire();
  const auto left = bench.events();
  CHECK(left.size() == 20'000);
  for (const auto& event : left) CHECK(event["involvedObject"]["name"] != "young");
}

}  // namespace claimfs::control
