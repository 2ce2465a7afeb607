// What is told of servers that do not answer.

#include "cli/server_watch.h"

#include <algorithm>

#include "backends/refusing_backend.h"
#include "tests/unit/catch.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::cli {
namespace {

using namespace std::chrono_literals;

struct Root final : backends::Inode {
  std::string_view key() const override { return "root"; }
};

// Waits for a server when a test says so.
class WaitingBackend final : public backends::RefusingBackend {
 public:
  WaitingBackend() : RefusingBackend(EIO) {}
  std::optional<Silence> silence() const override { return silence_; }
  Result<backends::Attributes> probe() override { return failure(EIO); }
  void root(Answer<backends::Entry> answer) override {
    answer.complete(backends::Entry{.inode = std::make_unique<Root>(), .attributes = {}});
  }
  Result<void> start() override { return {}; }
  void get_attributes(const backends::Caller&, backends::Inode&, backends::File*,
                      Answer<backends::Attributes> answer) override {
    answer.fail(EIO);
  }
  void open(const backends::Caller&, backends::Inode&, int,
            Answer<std::unique_ptr<backends::File>> answer) override {
    answer.fail(EIO);
  }
  void read(const backends::Caller&, backends::File&, std::size_t, off_t,
            Answer<std::span<const std::byte>> answer) override {
    answer.fail(EIO);
  }
  void file_system_state(const backends::Caller&,
                         Answer<backends::FileSystemState> answer) override {
    answer.fail(EIO);
  }
  std::optional<Silence> silence_;
};

struct Bench {
  Bench() {
    auto owned = std::make_unique<WaitingBackend>();
    backend = owned.get();
    fs::ServedClaim claim;
    claim.name_space = "shop";
    claim.name = "data";
    claim.uid = "uid";
    claim.volume_name = "pv";
    claims = {std::make_shared<fs::ServedVolume>(std::move(claim), std::move(owned), nullptr)};
    REQUIRE(claims.front()->use());
  }
  // "Warning VolumeConditionAbnormal data: message" for each, oldest first.
  std::vector<std::string> told() const {
    std::vector<std::string> all;
    const auto listing = store->list(volumes::Kind::Event);
    for (const auto& event : listing->objects) {
      const volumes::Json& document = event.document;
      all.push_back(volumes::text_at(document, "type") + " " +
                    volumes::text_at(document, "reason") + " " +
                    volumes::text_at(document, {"involvedObject", "name"}) + ": " +
                    volumes::text_at(document, "message"));
    }
    std::ranges::sort(all);
    return all;
  }

  store::Directory directory;
  std::unique_ptr<store::Store> store = *store::open_sqlite_store(directory.database());
  control::EventRecorder events{*store, [] { return std::int64_t{1'000'000'000}; }, "claimfs"};
  ServerWatch watch{events};
  WaitingBackend* backend = nullptr;
  fs::Tree::Claims claims;
  const ServerWatch::Clock::time_point start = ServerWatch::Clock::now();
};

TEST_CASE("a server that stays silent, and answers again", "[server-watch]") {
  Bench bench;
  const std::string down =
      "Warning VolumeConditionAbnormal data: nfs: server a not responding, still trying";
  const std::string up = "Normal VolumeConditionNormal data: nfs: server a OK";

  bench.watch.look(bench.claims, bench.start);
  bench.backend->silence_ = {.who = "nfs: server a", .since = bench.start};
  bench.watch.look(bench.claims, bench.start + 4s);
  CHECK(bench.told().empty());
  bench.watch.look(bench.claims, bench.start + 5s);
  CHECK(bench.told() == std::vector{down});
  bench.watch.look(bench.claims, bench.start + 6s);
  CHECK(bench.told() == std::vector{down});
  bench.backend->silence_.reset();
  bench.watch.look(bench.claims, bench.start + 7s);
  CHECK(bench.told() == std::vector{up, down});
  bench.watch.look(bench.claims, bench.start + 8s);
  CHECK(bench.told() == std::vector{up, down});
}

TEST_CASE("whom nobody asks any more has not answered", "[server-watch]") {
  Bench bench;
  bench.backend->silence_ = {.who = "nfs: server a", .since = bench.start};
  bench.watch.look(bench.claims, bench.start + 5s);
  REQUIRE(bench.told().size() == 1);
  fs::ServedVolume& volume = *bench.claims.front();
  REQUIRE(volume.end_use(/*for_good=*/false));
  bench.backend->silence_.reset();
  bench.watch.look(bench.claims, bench.start + 6s);
  CHECK(bench.told().size() == 1);
  volume.let_in();
  REQUIRE(volume.use());
  bench.watch.look(bench.claims, bench.start + 7s);
  CHECK(bench.told().size() == 2);
}

TEST_CASE("a server that is silent for a moment, and a claim that goes meanwhile",
          "[server-watch]") {
  Bench bench;
  bench.backend->silence_ = {.who = "nfs: server a", .since = bench.start};
  bench.watch.look(bench.claims, bench.start + 1s);
  bench.backend->silence_.reset();
  bench.watch.look(bench.claims, bench.start + 9s);
  CHECK(bench.told().empty());

  bench.backend->silence_ = {.who = "nfs: server a", .since = bench.start};
  bench.watch.look(bench.claims, bench.start + 9s);
  CHECK(bench.told().size() == 1);
  bench.watch.look({}, bench.start + 10s);
  bench.backend->silence_.reset();
  bench.watch.look(bench.claims, bench.start + 11s);
  CHECK(bench.told().size() == 1);
}

}  // namespace
}  // namespace claimfs::cli
