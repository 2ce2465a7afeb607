// Directories of manifests as desired state.

#include "control/manifest_directory.h"

#include <fstream>

#include "cli/manifest_files.h"
#include "tests/unit/catch.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::control {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

std::string volume(const std::string& name, const std::string& size = "1Gi") {
  return "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " + name +
         "}\nspec:\n  capacity: {storage: " + size +
         "}\n  accessModes: [ReadWriteOnce]\n  hostPath: {path: /data}\n";
}
std::string claim(const std::string& name) {
  return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: " + name +
         "}\nspec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n";
}

class Manifests {
 public:
  Manifests() { std::filesystem::create_directory(path()); }

  std::string path() const { return directory_.path("manifests"); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path() + "/" + name) << text;
  }
  void remove(const std::string& name) { std::filesystem::remove(path() + "/" + name); }

  void sync() { directories_.sync(); }
  // As after a restart: nothing is remembered but what the store has.
  void sync_anew() {
    ManifestDirectories({path()}, *store_, api_, cli::manifest_parser(), report()).sync();
  }

  // "pv a 1Gi", "pvc b", in the store's order; Terminating ones in brackets.
  std::vector<std::string> stored() const {
    std::vector<std::string> all;
    const auto volumes = store_->list(Kind::PersistentVolume).value();
    for (const Object& object : volumes.objects) {
      all.push_back(
          shown(object, "pv " + object.name() + " " +
                            volumes::text_at(object.document, {"spec", "capacity", "storage"})));
    }
    const auto claims = store_->list(Kind::PersistentVolumeClaim).value();
    for (const Object& object : claims.objects)
      all.push_back(shown(object, "pvc " + object.name_space() + "/" + object.name()));
    return all;
  }

  std::vector<std::string> complaints;
  Api& api() { return api_; }

 private:
  static std::string shown(const Object& object, const std::string& text) {
    return object.is_deleting() ? "(" + text + ")" : text;
  }
  ManifestDirectories::Report report() {
    return [this](const std::string& complaint) { complaints.push_back(complaint); };
  }

  store::Directory directory_;
  std::unique_ptr<store::Store> store_ = store::open_sqlite_store(directory_.database()).value();
  Api api_{*store_, system_clock()};
  ManifestDirectories directories_{{path()}, *store_, api_, cli::manifest_parser(), report()};
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("what appears is applied, what changes is updated, what goes is deleted", "[manifests]") {
  Manifests manifests;
  manifests.sync();
  CHECK(manifests.stored().empty());
  manifests.write("a.yaml", volume("a") + "---\n" + claim("c"));
  manifests.write("b.json", R"({"apiVersion": "v1", "kind": "PersistentVolume",
    "metadata": {"name": "b"}, "spec": {"capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/b"}}})");
  manifests.write("notes.txt", "no manifest");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi", "pvc default/c"});
  manifests.write("a.yaml", volume("a", "5Gi") + "---\n" + claim("c"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 5Gi", "pv b 1Gi", "pvc default/c"});
  // Deleted as by hand: finalizers hold what is protected until the controller has looked.
  manifests.write("a.yaml", volume("a", "5Gi"));
  manifests.remove("b.json");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 5Gi", "(pv b 1Gi)", "(pvc default/c)"});
  CHECK(manifests.complaints.empty());
}

TEST_CASE("a file that does not parse keeps its last good version", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  manifests.write("a.yaml", volume("a", "5Gi") + "---\nkind: [\n");
  manifests.write("b.yaml", volume("b"));
  manifests.sync();
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi"});
  // Told once while it lasts, and again when it comes back.
  REQUIRE(manifests.complaints.size() == 1);
  CHECK(manifests.complaints.front().find("a.yaml:") != std::string::npos);
  manifests.write("a.yaml", volume("a", "2Gi"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 2Gi", "pv b 1Gi"});
  manifests.write("a.yaml", "kind: [\n");
  manifests.sync();
  CHECK(manifests.complaints.size() == 2);
}

TEST_CASE("an object that is refused does not hold up other files", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a", "0") + "---\n" + volume("c"));
  manifests.write("b.yaml", volume("b"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv b 1Gi"});
  REQUIRE(manifests.complaints.size() == 1);
  CHECK(manifests.complaints.front().find("must be greater than zero") != std::string::npos);
}

TEST_CASE("what went while nobody watched is deleted, what others made is not", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.write("b.yaml", volume("b"));
  manifests.sync();
  REQUIRE(manifests.api().create(Object{Kind::PersistentVolume,
                                        {{"apiVersion", "v1"},
                                         {"kind", "PersistentVolume"},
                                         {"metadata", {{"name", "byhand"}}},
                                         {"spec",
                                          {{"capacity", {{"storage", "1Gi"}}},
                                           {"accessModes", Json::array({"ReadWriteOnce"})},
                                           {"hostPath", {{"path", "/x"}}}}}}}));
  manifests.remove("b.yaml");
  manifests.sync_anew();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "(pv b 1Gi)", "pv byhand 1Gi"});
}

TEST_CASE("a directory that cannot be read deletes nothing", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  std::filesystem::remove_all(manifests.path());
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  CHECK(manifests.complaints.size() == 1);
}

TEST_CASE("an object that moves to another file stays", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  manifests.remove("a.yaml");
  manifests.write("z.yaml", volume("a", "3Gi"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 3Gi"});
}

}  // namespace claimfs::control
