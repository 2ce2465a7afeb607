// What the controller does to storage and objects together: the rules are tested where they are
// written, this is that they are carried out.

#include "control/controller.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/api.h"
#include "tests/unit/catch.h"
#include "tests/unit/memory_ground.h"
#include "tests/unit/store_fixture.h"

namespace claimfs {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

Json volume(const std::string& name, const std::string& policy, const Json& changes = {}) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", name}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"persistentVolumeReclaimPolicy", policy},
                     {"storageClassName", "manual"},
                     {"hostPath", {{"path", "/tmp/" + name}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

Json claim(const std::string& name, const Json& changes = {}) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolumeClaim"},
                   {"metadata", {{"name", name}, {"namespace", "default"}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "manual"},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

Json storage_class(const std::string& name, const Json& changes = {}) {
  Json document = {{"apiVersion", "storage.k8s.io/v1"},
                   {"kind", "StorageClass"},
                   {"metadata", {{"name", name}}},
                   {"provisioner", "claimfs.io/host-path"},
                   {"parameters", {{"root", "/srv/volumes"}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

Json of_class(const std::string& name) { return {{"spec", {{"storageClassName", name}}}}; }

class Cluster {
 public:
  void create(const Json& document) {
    const auto created = api.create({*volumes::kind_from_document(document), document});
    INFO((created ? "" : created.error().message));
    REQUIRE(created);
  }
  void remove(Kind kind, const std::string& name) {
    REQUIRE(api.remove({kind, name_space(kind), name}));
  }
  void patch(Kind kind, const std::string& name, const Json& patch) {
    REQUIRE(api.patch({kind, name_space(kind), name}, patch));
  }
  // As a daemon that is started, settles and ends.
  void settle(const std::string& node = "") {
    control::ControllerSettings settings{.host_path_roots = {"/tmp"},
                                         .default_root = "/var/lib/claimfs/volumes",
                                         .node = std::nullopt};
    if (!node.empty()) settings.node = volumes::Node{node, {{"kubernetes.io/hostname", node}}};
    control::Controller controller(*store, clock, ground, settings);
    REQUIRE(controller.settle());
  }
  Json get(Kind kind, const std::string& name) {
    const auto found = store->get({kind, name_space(kind), name});
    return found ? found->document : Json();
  }
  std::string phase(Kind kind, const std::string& name) {
    return volumes::text_at(get(kind, name), {"status", "phase"});
  }
  std::vector<Json> all(Kind kind) {
    std::vector<Json> documents;
    const auto listing = store->list(kind);
    for (const Object& object : listing->objects) documents.push_back(object.document);
    return documents;
  }
  std::multiset<std::string> events(const std::string& name) {
    std::multiset<std::string> lines;
    for (const Json& event : all(Kind::Event)) {
      if (volumes::text_at(event, {"involvedObject", "name"}) != name) continue;
      lines.insert(volumes::text_at(event, "type") + " " + volumes::text_at(event, "reason") +
                   ": " + volumes::text_at(event, "message"));
    }
    return lines;
  }

  MemoryGround ground;
  store::Directory directory;
  std::unique_ptr<store::Store> store = *store::open_sqlite_store(directory.database());
  std::int64_t now = 1'000'000'000;
  control::Clock clock = [this] { return ++now; };
  control::Api api{*store, clock};

 private:
  static std::string name_space(Kind kind) {
    return volumes::names_of(kind).namespaced ? "default" : "";
  }
};

}  // namespace

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

TEST_CASE("a provisioner makes the directory, the volume and no other", "[controller]") {
  Cluster cluster;
  cluster.create(storage_class("fast"));
  cluster.create(claim("data", of_class("fast")));
  cluster.settle();
  REQUIRE(cluster.phase(Kind::PersistentVolumeClaim, "data") == "Bound");
  const Json bound = cluster.get(Kind::PersistentVolumeClaim, "data");
  const std::string name = "pvc-" + volumes::text_at(bound, {"metadata", "uid"});
  const Json made = cluster.get(Kind::PersistentVolume, name);
  CHECK(volumes::text_at(made, {"spec", "hostPath", "path"}) == "/srv/volumes/" + name);
  CHECK(cluster.ground.directories == std::set<std::string>{"/srv/volumes/" + name});
  CHECK(made["metadata"]["finalizers"] ==
        Json{"external-provisioner.volume.kubernetes.io/finalizer", "kubernetes.io/pv-protection"});
  CHECK(made["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] ==
        "claimfs.io/host-path");
  const auto events = cluster.events("data");
  CHECK(events.contains("Normal ProvisioningSucceeded: Successfully provisioned volume " + name));

  cluster.remove(Kind::PersistentVolumeClaim, "data");
  cluster.settle();
  CHECK(cluster.all(Kind::PersistentVolume).empty());
  CHECK(cluster.ground.directories.empty());
}

TEST_CASE("onDelete and a changed policy decide what becomes of the data", "[controller]") {
  Cluster cluster;
  cluster.create(storage_class("archive", {{"parameters", {{"onDelete", "archive"}}}}));
  cluster.create(storage_class("keep", {{"parameters", {{"onDelete", "retain"}}}}));
  cluster.create(storage_class("fast"));
  std::set<std::string> paths;
  for (const char* name : {"archive", "keep", "fast"}) {
    cluster.create(claim(name, of_class(name)));
  }
  cluster.settle();
  const auto path_of = [&](const char* name) {
    return "/srv/volumes/pvc-" +
           volumes::text_at(cluster.get(Kind::PersistentVolumeClaim, name), {"metadata", "uid"});
  };
  const std::string archived = path_of("archive"), kept = path_of("keep"), fast = path_of("fast");
  const std::string fast_volume = fast.substr(fast.rfind('/') + 1);
  cluster.patch(Kind::PersistentVolume, fast_volume,
                {{"spec", {{"persistentVolumeReclaimPolicy", "Retain"}}}});
  cluster.settle();
  // Nobody waits for the storage of what is retained.
  CHECK(cluster.get(Kind::PersistentVolume, fast_volume)["metadata"]["finalizers"] ==
        Json{"kubernetes.io/pv-protection"});
  for (const char* name : {"archive", "keep", "fast"})
    cluster.remove(Kind::PersistentVolumeClaim, name);
  cluster.settle();
  CHECK(cluster.ground.directories ==
        std::set<std::string>{"/srv/volumes/archived-" + archived.substr(archived.rfind('/') + 1),
                              kept, fast});
  CHECK(cluster.all(Kind::PersistentVolume).size() == 1);
  CHECK(cluster.phase(Kind::PersistentVolume, fast_volume) == "Released");
}

TEST_CASE("a provisioner that fails says so, and succeeds later", "[controller]") {
  Cluster cluster;
  cluster.ground.broken = "no space";
  cluster.create(storage_class("fast"));
  cluster.create(claim("data", of_class("fast")));
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolumeClaim, "data") == "Pending");
  CHECK(cluster.events("data").contains(
      "Warning ProvisioningFailed: failed to provision volume with StorageClass \"fast\": no "
      "space: Input/output error"));
  cluster.ground.broken.clear();
  cluster.settle();
  CHECK(cluster.phase(Kind::PersistentVolumeClaim, "data") == "Bound");
}

TEST_CASE("claims that wait get a volume of the first pod's node", "[controller]") {
  Cluster cluster;
  const Json waits = {{"volumeBindingMode", "WaitForFirstConsumer"}};
  cluster.create(storage_class("fast", waits));
  cluster.create(storage_class("manual", {{"volumeBindingMode", "WaitForFirstConsumer"},
                                          {"provisioner", "kubernetes.io/no-provisioner"},
                                          {"parameters", nullptr}}));
  cluster.create(volume("pv", "Retain"));
  cluster.create(claim("static"));
  cluster.create(claim("dynamic", of_class("fast")));
  cluster.settle("here");
  CHECK(cluster.phase(Kind::PersistentVolumeClaim, "static") == "Pending");
  const auto uses = [](const char* claim) {
    return Json{{"name", claim}, {"persistentVolumeClaim", {{"claimName", claim}}}};
  };
  cluster.create(
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata", {{"name", "pod"}, {"namespace", "default"}}},
       {"spec",
        {{"nodeName", "here"}, {"volumes", Json::array({uses("static"), uses("dynamic")})}}}});
  cluster.settle("elsewhere");
  CHECK(cluster.phase(Kind::PersistentVolumeClaim, "static") == "Pending");
  cluster.settle("here");
  CHECK(cluster.phase(Kind::PersistentVolumeClaim, "static") == "Bound");
  const Json dynamic = cluster.get(Kind::PersistentVolumeClaim, "dynamic");
  CHECK(volumes::text_at(dynamic, {"status", "phase"}) == "Bound");
  CHECK(dynamic["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == "here");
}

TEST_CASE("an ephemeral volume's claim comes and goes with its pod", "[controller]") {
  Cluster cluster;
  cluster.create(storage_class("fast"));
  cluster.create(
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata", {{"name", "pod"}, {"namespace", "default"}}},
       {"spec",
        {{"nodeName", "here"},
         {"volumes", Json::array({{{"name", "scratch"},
                                   {"ephemeral",
                                    {{"volumeClaimTemplate",
                                      {{"metadata", {{"labels", {{"a", "b"}}}}},
                                       {"spec", claim("x", of_class("fast"))["spec"]}}}}}}})}}}});
  cluster.settle();
  const Json made = cluster.get(Kind::PersistentVolumeClaim, "pod-scratch");
  REQUIRE(volumes::text_at(made, {"status", "phase"}) == "Bound");
  CHECK(made["metadata"]["labels"]["a"] == "b");
  CHECK(made["metadata"]["ownerReferences"][0]["uid"] ==
        cluster.get(Kind::Pod, "pod")["metadata"]["uid"]);
  // The pod holds it.
  cluster.remove(Kind::PersistentVolumeClaim, "pod-scratch");
  cluster.settle();
  CHECK(cluster.get(Kind::PersistentVolumeClaim, "pod-scratch").is_object());
  cluster.remove(Kind::Pod, "pod");
  cluster.settle();
  CHECK(cluster.get(Kind::PersistentVolumeClaim, "pod-scratch").is_null());
  CHECK(cluster.ground.directories.empty());
}

TEST_CASE("a claim that may grow grows at once, and its volume with it", "[controller]") {
  Cluster cluster;
  cluster.create(storage_class("fast", {{"allowVolumeExpansion", true}}));
  cluster.create(claim("data", of_class("fast")));
  cluster.settle();
  cluster.patch(Kind::PersistentVolumeClaim, "data",
                {{"spec", {{"resources", {{"requests", {{"storage", "3Gi"}}}}}}}});
  cluster.settle();
  const Json grown = cluster.get(Kind::PersistentVolumeClaim, "data");
  CHECK(grown["status"]["capacity"]["storage"] == "3Gi");
  CHECK(cluster.get(Kind::PersistentVolume,
                    grown["spec"]["volumeName"])["spec"]["capacity"]["storage"] == "3Gi");
  CHECK(cluster.events("data").contains("Normal VolumeResizeSuccessful: Resize volume succeeded"));
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
  const auto until = [&](auto&& holds) {
    const auto watch =
        *cluster.store->watch((*cluster.store->list(Kind::PersistentVolume)).version);
    const auto deadline = std::chrono::steady_clock::now() + store::kLong;
    while (!holds() && std::chrono::steady_clock::now() < deadline)
      (void)watch->next(std::chrono::milliseconds(100));
    return holds();
  };
  cluster.remove(Kind::PersistentVolumeClaim, "data");
  CHECK(until([&] { return cluster.phase(Kind::PersistentVolume, "pv") == "Released"; }));
  CHECK(until([&] {
    return volumes::text_at(cluster.get(Kind::PersistentVolume, "pv"),
                            {"metadata", "annotations", "claimfs.io/reclaim"}) ==
           "7 files removed, 5.0Mi freed";
  }));
  cluster.create(volume("other", "Retain"));
  cluster.create(claim("other"));
  CHECK(until([&] { return cluster.phase(Kind::PersistentVolumeClaim, "other") == "Bound"; }));
  cluster.ground.let_go();
  CHECK(until([&] { return cluster.get(Kind::PersistentVolume, "pv").is_null(); }));
}

}  // namespace claimfs
