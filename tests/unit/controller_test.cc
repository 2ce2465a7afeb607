// What the controller does to storage and objects together: the rules are tested where they are
// written, this is that they are carried out.

#include <thread>

#include "tests/unit/controlled_cluster.h"

namespace claimfs::controlled {

TEST_CASE("Delete: the directory goes, then the volume, and a refusal says why", "[controller]") {
  Cluster cluster;
  cluster.ground.directories = {"/tmp/gone", "/data/kept"};
  cluster.create(volume("gone", "Delete"));
  cluster.create(claim("data"));
  cluster.settle();
  REQUIRE(cluster.phase(Kind::PersistentVolumeClaim, "data") == "Bound");
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  CHECK(cluster.get(Kind::PersistentVolume, "gone").is_null());
  CHECK(cluster.ground.directories == std::set<std::string>{"/data/kept"});
  CHECK(cluster.events("gone").empty());

  cluster.create(volume("kept", "Delete", {{"spec", {{"hostPath", {{"path", "/data/kept"}}}}}}));
  cluster.create(claim("data"));
  cluster.settle();
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "kept") == "Failed");
  CHECK(cluster.ground.directories.contains("/data/kept"));
  CHECK(cluster.events("kept") ==
        std::multiset<std::string>{"Warning VolumeFailedDelete: host_path deleter only supports "
                                   "/tmp/.+ but received provided /data/kept"});
}

TEST_CASE("a removal that fails is tried again, and a changed policy acts", "[controller]") {
  Cluster cluster;
  cluster.ground.directories = {"/tmp/pv"};
  cluster.create(volume("pv", "Retain"));
  cluster.create(claim("data"));
  cluster.settle();
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "pv") == "Released");
  CHECK(cluster.ground.calls == 0);

  cluster.ground.broken = "the disk is on fire";
  cluster.patch(Kind::PersistentVolume, "pv",
                {{"spec", {{"persistentVolumeReclaimPolicy", "Delete"}}}});
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "pv") == "Failed");
  CHECK(cluster.ground.calls == 1);
  CHECK(cluster.events("pv").size() == 1);
  cluster.ground.broken.clear();
  cluster.settle();
  CHECK(cluster.get(Kind::PersistentVolume, "pv").is_null());
}

TEST_CASE("Recycle: emptied, told, and free again or kept for its claim", "[controller]") {
  Cluster cluster;
  cluster.ground.directories = {"/tmp/pv", "/tmp/mine"};
  cluster.ground.contents = {"/tmp/pv", "/tmp/mine"};
  cluster.create(volume("pv", "Recycle"));
  cluster.create(claim("data"));
  cluster.create(volume("mine", "Recycle",
                        {{"spec", {{"claimRef", {{"namespace", "default"}, {"name", "own"}}}}}}));
  cluster.create(claim("own"));
  cluster.settle();
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.remove(Kind::PersistentVolumeClaim, "own");
  cluster.settle();
  for (const char* name : {"pv", "mine"}) {
    CHECK(cluster.phase(Kind::PersistentVolume, name) == "Available");
    CHECK(cluster.events(name) ==
          std::multiset<std::string>{"Normal VolumeRecycled: Volume recycled"});
  }
  CHECK(cluster.ground.contents.empty());
  CHECK_FALSE(cluster.get(Kind::PersistentVolume, "pv")["spec"].contains("claimRef"));
  CHECK(cluster.get(Kind::PersistentVolume, "mine")["spec"]["claimRef"] ==
        Json{{"namespace", "default"},
             {"name", "own"},
             {"apiVersion", "v1"},
             {"kind", "PersistentVolumeClaim"},
             {"resourceVersion",
              cluster.get(Kind::PersistentVolume, "mine")["spec"]["claimRef"]["resourceVersion"]}});
}

TEST_CASE("Recycle of a directory of the host that is not there has nothing to empty",
          "[controller]") {
  Cluster cluster;
  cluster.create(volume("pv", "Recycle"));
  cluster.create(claim("data"));
  cluster.settle();
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "pv") == "Available");
}

// A share of a server whose disk is not there.
class AbsentShare final : public backends::Ground {
 public:
  explicit AbsentShare(const bool& is_back) : is_back_(is_back) {}
  Result<void> make_directory(const std::string&, const std::string&, mode_t) override {
    return here();
  }
  Result<void> remove_tree(const std::string&, backends::RemovalProgress&,
                           std::stop_token) override {
    return here();
  }
  Result<void> scrub(const std::string&, backends::RemovalProgress&, std::stop_token) override {
    return here();
  }
  Result<std::string> archive(const std::string&, const std::string& name) override {
    TRY_VOID(here());
    return name;
  }

 private:
  Result<void> here() const {
    return is_back_ ? Result<void>() : failure(ENOENT, "mounting s:/export/pv failed");
  }

  const bool& is_back_;
};

TEST_CASE("Recycle of an export that cannot be mounted fails, and is tried again", "[controller]") {
  Cluster cluster;
  bool is_back = false;
  const auto settle = [&] {
    control::Controller controller(
        *cluster.store, cluster.clock, cluster.ground,
        {.host_path_roots = {},
         .default_root = "",
         .node = std::nullopt,
         .nfs = {
             .make_ground = [&](const volumes::NfsOptions&) -> std::unique_ptr<backends::Ground> {
               return std::make_unique<AbsentShare>(is_back);
             }}});
    REQUIRE(controller.settle());
  };
  cluster.create(volume(
      "pv", "Recycle",
      {{"spec", {{"hostPath", nullptr}, {"nfs", {{"server", "s"}, {"path", "/export/pv"}}}}}}));
  cluster.create(claim("data"));
  settle();
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "pv") == "Failed");
  CHECK(cluster.events("pv") ==
        std::multiset<std::string>{
            "Warning VolumeFailedRecycle: Recycle failed: failed to recycle volume: mounting "
            "s:/export/pv failed: No such file or directory"});
  is_back = true;
  settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "pv") == "Available");
}

TEST_CASE("a static volume deleted before its claim has its policy carried out", "[controller]") {
  Cluster cluster;
  cluster.ground.directories = {"/tmp/pv"};
  cluster.create(volume("pv", "Delete"));
  cluster.create(claim("data"));
  cluster.settle();
  cluster.remove(Kind::PersistentVolume, "pv");
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolume, "pv") == "Bound");
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  CHECK(cluster.get(Kind::PersistentVolume, "pv").is_null());
  CHECK(cluster.ground.directories.empty());
}

TEST_CASE("what others hold is reclaimed once, and stays until they let go", "[controller]") {
  Cluster cluster;
  cluster.ground.directories = {"/tmp/pv"};
  cluster.create(volume("pv", "Delete", {{"metadata", {{"finalizers", {"example.com/backup"}}}}}));
  cluster.create(claim("data"));
  cluster.settle();
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  const Json held = cluster.get(Kind::PersistentVolume, "pv");
  REQUIRE(held.is_object());
  CHECK(held["metadata"].contains("deletionTimestamp"));
  CHECK(held["metadata"]["finalizers"] == Json{"example.com/backup"});
  CHECK(cluster.ground.directories.empty());
  cluster.patch(Kind::PersistentVolume, "pv", {{"metadata", {{"finalizers", nullptr}}}});
  CHECK(cluster.get(Kind::PersistentVolume, "pv").is_null());
}

TEST_CASE("what is given back while its removal waits for its turn is kept", "[controller]") {
  Cluster cluster;
  const std::vector<std::string> names = {"a", "b", "c", "d", "given-back"};  // four at once
  for (const std::string& name : names) {
    cluster.ground.directories.insert("/tmp/" + name);
    cluster.create(volume(name, "Delete"));
    cluster.create(claim(name, {{"spec", {{"volumeName", name}}}}));
  }
  cluster.settle();
  cluster.ground.hold();
  {
    control::Controller controller(*cluster.store, control::system_clock(), cluster.ground,
                                   {.host_path_roots = {"/tmp"}, .default_root = "", .node = {}});
    std::jthread running([&](const std::stop_token& stop) {
      controller.run(stop, "the test", [](const Error&) {});
    });
    for (const std::string& name : names) cluster.remove(Kind::PersistentVolumeClaim, name);
    CHECK(cluster.until(
        [&] { return cluster.phase(Kind::PersistentVolume, "given-back") == "Released"; }));
    cluster.patch(Kind::PersistentVolume, "given-back", {{"spec", {{"claimRef", nullptr}}}});
    CHECK(cluster.until(
        [&] { return cluster.phase(Kind::PersistentVolume, "given-back") == "Available"; }));
    cluster.ground.let_go();
    CHECK(cluster.until([&] { return cluster.all(Kind::PersistentVolume).size() == 1; }));
  }
  CHECK(cluster.ground.directories == std::set<std::string>{"/tmp/given-back"});
}

TEST_CASE("a long removal says how far it is, and the loop goes on beside it", "[controller]") {
  Cluster cluster;
  cluster.ground.directories = {"/tmp/pv"};
  cluster.create(volume("pv", "Delete"));
  cluster.create(claim("data"));
  cluster.settle();
  cluster.ground.hold();
  control::Controller controller(*cluster.store, control::system_clock(), cluster.ground,
                                 {.host_path_roots = {"/tmp"}, .default_root = "", .node = {}});
  std::jthread running(
      [&](const std::stop_token& stop) { controller.run(stop, "the test", [](const Error&) {}); });
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  CHECK(cluster.until([&] { return cluster.phase(Kind::PersistentVolume, "pv") == "Released"; }));
  CHECK(cluster.until([&] {
    return volumes::text_at(cluster.get(Kind::PersistentVolume, "pv"),
                            {"metadata", "annotations", "claimfs.io/reclaim"}) ==
           "7 files removed, 5.0Mi freed";
  }));
  cluster.create(volume("other", "Retain"));
  cluster.create(claim("other"));
  CHECK(cluster.until(
      [&] { return cluster.phase(Kind::PersistentVolumeClaim, "other") == "Bound"; }));
  cluster.ground.let_go();
  CHECK(cluster.until([&] { return cluster.get(Kind::PersistentVolume, "pv").is_null(); }));
}

}  // namespace claimfs::controlled
