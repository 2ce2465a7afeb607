// Manifest directories: what must not be deleted, and who wins.

#include "tests/unit/catch.h"
#include "tests/unit/manifest_ground.h"

namespace claimfs::control {
namespace {

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the lexically first of two files that declare the same wins", "[manifests]") {
  Manifests manifests;
  manifests.write("b.yaml", volume("x", "2Gi"));
  manifests.sync();
  CHECK(manifests.file_of("x") == "b.yaml");
  const std::string uid = manifests.object("x").uid();
  manifests.write("a.yaml", volume("x", "1Gi"));
  manifests.write("c.yaml", volume("x", "3Gi"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv x 1Gi"});
  REQUIRE(manifests.complaints.size() == 2);
  CHECK(manifests.complaints[0] == manifests.path("b.yaml") +
                                       ": persistentvolume \"x\" is already declared in " +
                                       manifests.path("a.yaml") + ", which counts");
  CHECK(says(manifests.complaints[1], "c.yaml: "));
  manifests.complaints.clear();
  // While the first cannot be read it still counts, and after it the next one does.
  manifests.write("a.yaml", "kind: [\n");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv x 1Gi"});
  CHECK(says(manifests.complaint(), "a.yaml:"));
  manifests.sync_anew();
  CHECK(manifests.stored() == Strings{"pv x 1Gi"});
  CHECK(manifests.file_of("x") == "a.yaml");
  manifests.remove("a.yaml");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv x 2Gi"});
  CHECK(manifests.object("x").uid() == uid);
}

TEST_CASE("a broken file keeps its objects, also after a restart, and heals", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a") + "---\n" + volume("b"));
  manifests.sync();
  manifests.write("a.yaml", volume("a") + "---\nkind: [\n");
  manifests.sync();
  CHECK(says(manifests.complaint(), "a.yaml:"));
  manifests.sync_anew();
  CHECK(says(manifests.complaint(), "a.yaml:"));
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi"});
  manifests.write("a.yaml", volume("a", "2Gi"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 2Gi", "(pv b 1Gi)"});
  CHECK(manifests.complaints.empty());
}

TEST_CASE("a broken file's last good version is kept against drift", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  manifests.write("a.yaml", "kind: [\n");
  manifests.sync();
  REQUIRE(manifests.api().patch({volumes::Kind::PersistentVolume, "", "a"},
                                {{"spec", {{"capacity", {{"storage", "9Gi"}}}}}}));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
}

TEST_CASE("an empty file keeps what it declared, one that says nothing does not", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.write("none.yaml", "");
  manifests.sync();
  CHECK(manifests.complaints.empty());
  manifests.write("a.yaml", "");
  manifests.sync();
  CHECK(says(manifests.complaint(), "a.yaml: is empty"));
  manifests.sync_anew();
  CHECK(says(manifests.complaint(), "a.yaml: is empty"));
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  manifests.write("a.yaml", "# nothing any more\n");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"(pv a 1Gi)"});
}

TEST_CASE("a link to nowhere keeps what its file declared", "[manifests]") {
  Manifests manifests;
  std::ofstream(manifests.beside("file")) << volume("a");
  std::filesystem::create_symlink(manifests.beside("file"), manifests.path("a.yaml"));
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  std::filesystem::remove(manifests.beside("file"));
  manifests.sync();
  CHECK(says(manifests.complaint(), "a.yaml: cannot be read: No such file or directory"));
  std::ofstream(manifests.beside("file")) << volume("a", "2Gi");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 2Gi"});
}

TEST_CASE("while a directory is missing nothing is deleted, and it heals", "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.write("b.yaml", volume("b"));
  manifests.sync();
  std::filesystem::rename(manifests.path(), manifests.beside("away"));
  manifests.sync();
  manifests.sync();
  CHECK(says(manifests.complaint(), manifests.path() + ": cannot be listed: No such file"));
  manifests.sync_anew();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi"});
  std::filesystem::remove(manifests.beside("away") + "/b.yaml");
  std::filesystem::rename(manifests.beside("away"), manifests.path());
  manifests.sync();
  CHECK(manifests.stored() == Strings{"pv a 1Gi", "(pv b 1Gi)"});
}

TEST_CASE("a directory whose filesystem was unmounted keeps everything", "[manifests]") {
  // The directory is a link, and on which filesystem it ends changes.
  Manifests manifests("link");
  std::string other = "/dev/shm/claimfs-manifests.XXXXXX";
  if (!mkdtemp(other.data())) return;
  const auto turn = [&](const std::string& target) {
    std::filesystem::remove(manifests.beside("link"));
    std::filesystem::create_directory_symlink(target, manifests.beside("link"));
  };
  struct stat here {
  }, there{};
  REQUIRE(stat(manifests.path().c_str(), &here) == 0);
  REQUIRE(stat(other.c_str(), &there) == 0);
  turn(manifests.path());
  manifests.write("a.yaml", volume("a"));
  manifests.write("b.yaml", volume("b"));
  manifests.sync();
  if (here.st_dev != there.st_dev) {
    turn(other);
    manifests.sync();
    CHECK(says(manifests.complaint(), "is another filesystem than before, and 2 of its manifests"));
    CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi"});
    // What lies below the mount point is no reason either.
    std::ofstream(other + "/c.yaml") << volume("c");
    manifests.sync();
    CHECK(manifests.stored() == Strings{"pv a 1Gi", "pv b 1Gi", "pv c 1Gi"});
    // Mounted again: everything is as it was.
    turn(manifests.path());
    manifests.remove("b.yaml");
    manifests.complaints.clear();
    manifests.sync();
    manifests.sync();
    CHECK(manifests.stored() == Strings{"pv a 1Gi", "(pv b 1Gi)", "(pv c 1Gi)"});
    // The same files on another filesystem are the directory from now on.
    std::filesystem::remove(other + "/c.yaml");
    std::filesystem::copy(manifests.path("a.yaml"), other + "/a.yaml");
    turn(other);
    manifests.sync();
    std::filesystem::remove(other + "/a.yaml");
    manifests.sync();
    CHECK(manifests.stored() == Strings{"(pv a 1Gi)", "(pv b 1Gi)", "(pv c 1Gi)"});
  }
  std::filesystem::remove_all(other);
}

TEST_CASE("a directory that is empty from the start deletes nothing until it is said",
          "[manifests]") {
  Manifests manifests;
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  manifests.remove("a.yaml");
  manifests.sync_anew();
  CHECK(manifests.stored() == Strings{"pv a 1Gi"});
  CHECK(says(manifests.complaint(), "is empty, and 1 objects came from it"));
  manifests.write("none.yaml", "");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"(pv a 1Gi)"});
  CHECK(manifests.complaints.empty());
}

TEST_CASE("the last file of a directory that was seen with it deletes", "[manifests]") {
  // However the directory is written.
  Manifests manifests("./manifests//");
  manifests.write("a.yaml", volume("a"));
  manifests.sync();
  manifests.remove("a.yaml");
  manifests.sync();
  CHECK(manifests.stored() == Strings{"(pv a 1Gi)"});
}

}  // namespace claimfs::control
