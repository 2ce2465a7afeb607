// Volumes that the controller makes: for classes, for first consumers, for pods.

#include <thread>

#include "tests/unit/controlled_cluster.h"

namespace claimfs::controlled {

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

TEST_CASE("a first consumer gets the volume that comes after it", "[controller]") {
  Cluster cluster;
  cluster.create(storage_class("manual", {{"volumeBindingMode", "WaitForFirstConsumer"},
                                          {"provisioner", "kubernetes.io/no-provisioner"},
                                          {"parameters", nullptr}}));
  cluster.create(claim("data"));
  cluster.create(
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata", {{"name", "pod"}, {"namespace", "default"}}},
       {"spec",
        {{"nodeName", "here"},
         {"volumes", Json::array({{{"name", "data"},
                                   {"persistentVolumeClaim", {{"claimName", "data"}}}}})}}}});
  control::Controller controller(
      *cluster.store, control::system_clock(), cluster.ground,
      {.host_path_roots = {}, .default_root = "", .node = volumes::Node{"here", {}}});
  std::jthread running(
      [&](const std::stop_token& stop) { controller.run(stop, "the test", [](const Error&) {}); });
  CHECK(cluster.until([&] {
    return cluster.events("pod").contains(
        "Warning FailedScheduling: 0/1 nodes are available: node(s) didn't find available "
        "persistent volumes to bind.");
  }));
  cluster.create(volume("pv", "Retain"));
  CHECK(
      cluster.until([&] { return cluster.phase(Kind::PersistentVolumeClaim, "data") == "Bound"; }));
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

}  // namespace claimfs::controlled
