// Directories of manifests as desired state.

#include "control/manifest_directory.h"

#include "tests/unit/catch.h"
#include "tests/unit/manifest_ground.h"

namespace claimfs::control {

using volumes::Json;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

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
