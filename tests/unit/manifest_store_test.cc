// Manifest directories and a store in which others write, or which fails.

#include "control/batched_store.h"
#include "tests/unit/catch.h"
#include "tests/unit/manifest_ground.h"

namespace claimfs::control {
namespace {

using store::Version;
using store::Write;
using store::Written;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

// Another store, before whose larger changes something happens.
class DisturbedStore final : public store::Store {
 public:
  explicit DisturbedStore(store::Store& store) : store_(store) {}
  std::function<void()> before_next;
  bool fails = false;
  int writes = 0;

  Result<Written> write_all(std::span<const Write> all) override {
    ++writes;
    if (const auto act = std::exchange(before_next, nullptr)) act();
    if (fails) return failure(EIO);
    return store_.write_all(all);
  }
  Result<Object> get(const ObjectKey& key) override { return store_.get(key); }
  Result<store::Listing> list(Kind kind) override { return store_.list(kind); }
  Result<Object> create(const Object& object, const store::Lease* lease) override {
    return store_.create(object, lease);
  }
  Result<Object> update(const Object& object) override { return store_.update(object); }
  Result<Object> store_if(const Object& object, const store::Lease* lease,
                          const store::Grounds& grounds) override {
    return store_.store_if(object, lease, grounds);
  }
  Result<Object> put(const Object& object) override { return store_.put(object); }
  Result<void> remove(const ObjectKey& key, const std::string& version) override {
    return store_.remove(key, version);
  }
  Result<store::Version> newest() override { return store_.newest(); }
  Result<std::unique_ptr<store::Watch>> watch(Version from) override { return store_.watch(from); }
  Result<std::unique_ptr<store::Lease>> grant_lease() override { return store_.grant_lease(); }
  Result<void> acquire(const std::string& name, const store::Lease& lease,
                       const std::string& holder) override {
    return store_.acquire(name, lease, holder);
  }
  Result<void> release(const std::string& name, const store::Lease& lease) override {
    return store_.release(name, lease);
  }
  Result<std::string> holder_of(const std::string& name) override { return store_.holder_of(name); }

 private:
  store::Store& store_;
};

class Disturbed : public Manifests {
 public:
  DisturbedStore disturbed{store()};
  Api disturbed_api{disturbed, system_clock()};
  ManifestDirectories directories{
      {path()}, disturbed, disturbed_api, cli::manifest_parser(), [this](const std::string& text) {
        complaints.push_back(text);
      }};
};

}  // namespace

TEST_CASE("many manifests are few transactions", "[manifests]") {
  Disturbed manifests;
  for (int i = 0; i < 1500; ++i)
    manifests.write("v" + std::to_string(i) + ".yaml", volume("v" + std::to_string(i)));
  manifests.directories.sync();
  CHECK(manifests.stored().size() == 1500);
  CHECK(manifests.disturbed.writes == 2);
  const Version version = manifests.version();
  manifests.directories.sync();
  CHECK(manifests.disturbed.writes == 2);
  for (int i = 1; i < 1500; ++i) manifests.remove("v" + std::to_string(i) + ".yaml");
  manifests.directories.sync();
  CHECK(manifests.disturbed.writes == 4);
  CHECK(manifests.version() == version + 1499);
  CHECK(manifests.stored()[0] == "pv v0 1Gi");
  CHECK(manifests.stored()[1] == "(pv v1 1Gi)");
  CHECK(manifests.complaints.empty());
}

TEST_CASE("where somebody else is quicker, the others are applied all the same", "[manifests]") {
  Disturbed manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.write("b.yaml", volume("b", "2Gi"));
  manifests.disturbed.before_next = [&] {
    Object theirs{Kind::PersistentVolume,
                  {{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", "b"}, {"labels", {{"by", "others"}}}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"hostPath", {{"path", "/data"}}}}}}};
    REQUIRE(manifests.api().create(theirs));
  };
  manifests.directories.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 2Gi"});
  CHECK(volumes::text_at(manifests.object("b").document, {"metadata", "labels", "by"}) == "others");
  // Removing: it was changed meanwhile, which is no reason to keep it.
  manifests.disturbed.before_next = [&] {
    REQUIRE(manifests.api().patch({Kind::PersistentVolume, "", "b"},
                                  {{"metadata", {{"labels", {{"by", "me"}}}}}}));
  };
  manifests.write("c.yaml", volume("c"));
  manifests.directories.sync();
  manifests.remove("b.yaml");
  manifests.directories.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "(pv b 2Gi)", "pv c 1Gi"});
  CHECK(manifests.complaints.empty());
}

TEST_CASE("a store that fails is one complaint, and nothing is forgotten", "[manifests]") {
  Disturbed manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.write("b.yaml", volume("b"));
  manifests.disturbed.fails = true;
  manifests.directories.sync();
  manifests.directories.sync();
  CHECK(manifests.complaint().find("the store failed: ") == 0);
  CHECK(manifests.stored().empty());
  manifests.disturbed.fails = false;
  manifests.directories.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi"});
  // The same for what should go.
  manifests.disturbed.fails = true;
  manifests.remove("a.yaml");
  manifests.directories.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi"});
  manifests.disturbed.fails = false;
  manifests.directories.sync();
  CHECK(manifests.stored() == Strings{"(pv a 1Gi)", "pv b 1Gi"});
  CHECK(manifests.complaints.size() == 1);
}

}  // namespace claimfs::control
