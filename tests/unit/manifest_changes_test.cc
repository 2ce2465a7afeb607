// Manifest directories: what is read and applied again, and what is not.

#include "tests/unit/catch.h"
#include "tests/unit/manifest_ground.h"

namespace claimfs::control {

using namespace std::chrono_literals;
using volumes::Json;
using volumes::Kind;
using volumes::ObjectKey;

namespace {

// Waits for what a thread does.
template <class Condition>
bool comes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// Longer than what the kernel's clock takes for the same time.
void let_settle() { std::this_thread::sleep_for(50ms); }

}  // namespace

TEST_CASE("only files that have changed are read, and only what changed in them is applied",
          "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a1") + "---\n" + volume("a2"));
  manifests.write("b.yaml", volume("b"));
  let_settle();
  manifests.sync();
  CHECK(manifests.parsed == Strings{"a.yaml", "b.yaml"});
  const auto version = manifests.version();
  manifests.sync();
  manifests.sync();
  CHECK(manifests.parsed.size() == 2);
  CHECK(manifests.version() == version);

  manifests.write("a.yaml", volume("a1") + "---\n" + volume("a2", "5Gi"));
  manifests.sync();
  CHECK(manifests.parsed == Strings{"a.yaml", "b.yaml", "a.yaml"});
  CHECK(manifests.version() == version + 1);

  // Touched, and saved as it was: nothing to parse.
  manifests.write("b.yaml", volume("b"));
  manifests.sync();
  CHECK(manifests.parsed.size() == 3);
  CHECK(manifests.version() == version + 1);
}

TEST_CASE("a restart applies nothing anew", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a") + "---\n" + claim("c"));
  manifests.sync();
  const auto version = manifests.version();
  manifests.sync_anew();
  CHECK(manifests.version() == version);
}

TEST_CASE("two changes within one tick of the clock are both seen", "[manifests]") {
  const Manifests manifests;
  ManifestCache cache({manifests.path()}, cli::manifest_parser());
  for (int round = 0; round < 50; ++round) {
    // Of one length, in the same file: its signature is the same.
    const std::string size = std::to_string(round + 10) + "Gi";
    manifests.write("a.yaml", volume("a", size));
    REQUIRE(cache.refresh());
    const volumes::Object& object = *cache.files().begin()->second.objects.front();
    REQUIRE(volumes::text_at(object.document, {"spec", "capacity", "storage"}) == size);
  }
}

TEST_CASE("a signature is not trusted within a tick of the change it shows", "[manifests]") {
  // A kernel with finer clocks never shows two changes as one, so time is given here.
  struct stat status {};
  status.st_ctim = {.tv_sec = 1'000, .tv_nsec = 0};
  const FileSignature signature(status);
  constexpr std::int64_t kChanged = 1'000'000'000'000;
  CHECK(signature.is_recent(kChanged));
  CHECK(signature.is_recent(kChanged + 10'000'000));
  CHECK_FALSE(signature.is_recent(kChanged + 1'000'000'000));
  // Of a server whose clock is ahead.
  CHECK_FALSE(signature.is_recent(kChanged - 1'000'000'000));
}

TEST_CASE("what has drifted is applied again, what others add is left alone", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  const ObjectKey key{Kind::PersistentVolume, "", "a"};
  REQUIRE(manifests.api().patch(key, {{"spec", {{"capacity", {{"storage", "9Gi"}}}}}}));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});

  REQUIRE(manifests.api().patch(key, {{"metadata", {{"labels", {{"by", "hand"}}}}}}));
  auto bound = manifests.object("a");
  bound.document["status"]["phase"] = "Available";
  REQUIRE(manifests.store().update(bound));
  const auto version = manifests.version();
  manifests.sync();
  manifests.sync();
  CHECK(manifests.version() == version);
  CHECK(manifests.parsed.size() == 1);
}

TEST_CASE("what was deleted by hand comes again once it is gone", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  const std::string uid = manifests.object("a").uid();
  REQUIRE(manifests.api().remove({Kind::PersistentVolume, "", "a"}));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"(pv a 1Gi)"});
  REQUIRE(manifests.store().remove({Kind::PersistentVolume, "", "a"}, ""));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  CHECK(manifests.object("a").uid() != uid);
}

TEST_CASE("drift that the history no longer tells is found by listing", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  REQUIRE(manifests.api().patch({Kind::PersistentVolume, "", "a"},
                                {{"spec", {{"capacity", {{"storage", "9Gi"}}}}}}));
  // More changes than are kept.
  auto churn = manifests.object("a");
  churn.document["metadata"] = {{"name", "churn"}, {"uid", "1"}};
  std::vector<volumes::Object> copies(10'500, churn);
  std::vector<store::Write> writes;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].document["metadata"]["generation"] = i;
    writes.push_back({store::Write::Type::Put, &copies[i]});
  }
  REQUIRE(manifests.store().write_all(writes));
  manifests.sync();
  CHECK(manifests.stored().front() == "pv a 1Gi");
}

TEST_CASE("what was refused is tried again when the store has changed", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  manifests.write("a.yaml", volume("a") + "  volumeMode: Block\n");
  manifests.sync();
  CHECK(manifests.complaint().find("a.yaml: The PersistentVolume \"a\" is invalid") !=
        std::string::npos);
  manifests.sync();
  CHECK(manifests.complaints.empty());
  REQUIRE(manifests.store().remove({Kind::PersistentVolume, "", "a"}, ""));
  manifests.sync();
  CHECK(volumes::text_at(manifests.object("a").document, {"spec", "volumeMode"}) == "Block");
  CHECK(manifests.complaints.empty());
}

TEST_CASE("a file that is renamed keeps its objects", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  const std::string uid = manifests.object("a").uid();
  manifests.rename("a.yaml", "z.yml");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  CHECK(manifests.object("a").uid() == uid);
  CHECK(manifests.file_of("a") == "z.yml");
  // Also one that says nothing at the moment.
  manifests.write("z.yml", "kind: [\n");
  manifests.sync();
  manifests.rename("z.yml", "b.yaml");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  CHECK(manifests.file_of("a") == "b.yaml");
  // Away it is deleted.
  manifests.rename("b.yaml", "b.yaml.off");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"(pv a 1Gi)"});
}

TEST_CASE("what editors leave is no manifest", "[manifests]") {
  Manifests manifests;
  for (const char* name : {".a.yaml.swp", ".a.yaml", "a.yaml~", "#a.yaml#", "#a.yaml", ".#a.yaml",
                           "4913", "a.yaml.bak", "sedYq2Xzd", "a.txt", "yaml", ".yaml"})
    manifests.write(name, volume("a"));
  std::filesystem::create_directory(manifests.path("directory.yaml"));
  manifests.sync();
  CHECK(manifests.stored().empty());
  CHECK(manifests.complaints.empty());
  CHECK(manifests.parsed.empty());
}

TEST_CASE("a file that is renamed over another is a change", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  const std::string uid = manifests.object("a").uid();
  manifests.write(".new", volume("a", "2Gi"));
  manifests.rename(".new", "a.yaml");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 2Gi"});
  CHECK(manifests.object("a").uid() == uid);
}

TEST_CASE("an editor that saves by moving the file away deletes nothing", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  const std::string uid = manifests.object("a").uid();
  const auto runner = manifests.run();
  for (int round = 2; round < 5; ++round) {
    manifests.rename("a.yaml", "a.yaml~");
    std::this_thread::sleep_for(200ms);
    manifests.write("a.yaml", volume("a", std::to_string(round) + "Gi"));
    CHECK(comes_true(
        [&] { return manifests.stored() == Strings{"pv a " + std::to_string(round) + "Gi"}; }));
  }
  CHECK(manifests.object("a").uid() == uid);
  manifests.remove("a.yaml");
  CHECK(comes_true([&] { return manifests.stored() == Strings{"(pv a 4Gi)"}; }));
}

TEST_CASE("while it runs, what appears is applied at once and many are few batches",
          "[manifests]") {
  Manifests manifests;
  auto runner = manifests.run();
  std::this_thread::sleep_for(100ms);
  constexpr int kMany = 500;
  for (int i = 0; i < kMany; ++i)
    manifests.write("v" + std::to_string(i) + ".yaml", volume("v" + std::to_string(i)));
  CHECK(comes_true([&] { return manifests.stored().size() == kMany; }));
  runner.request_stop();
  runner.join();
  // A file is parsed again only when it was seen half written.
  CHECK(manifests.parsed.size() < kMany + 50);
}

TEST_CASE("a file that is renamed all the time is never taken for gone", "[manifests]") {
  Manifests manifests;
  for (int i = 0; i < 300; ++i)
    manifests.write("v" + std::to_string(i) + ".yaml", volume("v" + std::to_string(i)));
  manifests.sync();
  std::jthread mover([&manifests](const std::stop_token& stop) {
    for (int round = 0; !stop.stop_requested(); ++round) {
      const auto name = [](int number) { return "moving" + std::to_string(number) + ".yaml"; };
      if (round == 0) manifests.rename("v7.yaml", name(0));
      manifests.rename(name(round), name(round + 1));
      std::this_thread::sleep_for(1ms);
    }
  });
  for (int i = 0; i < 20; ++i) {
    // Also by one that does not know what to miss.
    if (i % 2 != 0) manifests.anew();
    manifests.sync();
  }
  CHECK_FALSE(manifests.object("v7").is_deleting());
}

}  // namespace claimfs::control
