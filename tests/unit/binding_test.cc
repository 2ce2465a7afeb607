// A bind that stopped after any of its writes, and what an unbound claim waits for.
// KUBERNETES.md 0.3, 1.7, 2.4, 7.2.

#include "tests/unit/catch.h"
#include "volumes/lifecycle.h"

namespace claimfs::volumes {
namespace {

constexpr const char* kByController = "pv.kubernetes.io/bound-by-controller";

Json merged(Json left, const Json& right) {
  if (!right.is_null()) left.merge_patch(right);
  return left;
}
Json volume_document(const Json& changes = nullptr) {
  return merged({{"metadata", {{"name", "pv"}}},
                 {"spec",
                  {{"capacity", {{"storage", "2Gi"}}},
                   {"accessModes", {"ReadWriteOnce", "ReadOnlyMany"}},
                   {"storageClassName", "c"},
                   {"hostPath", {{"path", "/data"}}}}},
                 {"status", {{"phase", "Available"}}}},
                changes);
}
Json claim_document(const Json& changes = nullptr) {
  return merged({{"metadata",
                  {{"name", "data"},
                   {"namespace", "default"},
                   {"uid", "claim-uid"},
                   {"resourceVersion", "5"}}},
                 {"spec",
                  {{"accessModes", {"ReadWriteOnce"}},
                   {"storageClassName", "c"},
                   {"resources", {{"requests", {{"storage", "1Gi"}}}}}}},
                 {"status", {{"phase", "Pending"}}}},
                changes);
}
const Json kReserves = {{"spec", {{"claimRef", {{"namespace", "default"}, {"name", "data"}}}}}};
const Json kNames = {{"spec", {{"volumeName", "pv"}}}};

struct Pair {
  Json volume, claim;

  bool operator==(const Pair&) const = default;
  World world() const {
    World world;
    world.put(Volume::from({Kind::PersistentVolume, volume}));
    world.put(Claim::from({Kind::PersistentVolumeClaim, claim}));
    return world;
  }
  void perform(const Step& step) {
    if (step.volume) volume = step.volume->written_into(volume);
    if (step.claim) claim = step.claim->written_into(claim);
  }
  void look_at_volume() {
    const World all = world();
    perform(step_volume(*all.volume("pv"), all));
  }
  void look_at_claim() {
    const World all = world();
    perform(step_claim(*all.claim("default", "data"), all));
  }
};

// Looks in that order until nothing changes.
Pair settled(Pair pair, bool volume_first) {
  for (int round = 0; round < 8; ++round) {
    const Pair before = pair;
    if (volume_first) pair.look_at_volume();
    pair.look_at_claim();
    pair.look_at_volume();
    if (pair == before) return pair;
  }
  FAIL("it never settles");
  return pair;
}

std::vector<std::string> told(const Json& claim, const Json& storage_class,
                              const std::vector<Json>& pods = {}) {
  World world;
  world.put(Claim::from({Kind::PersistentVolumeClaim, claim}));
  world.put(StorageClass::from({Kind::StorageClass, storage_class}));
  for (const Json& each : pods) world.put(Pod::from({Kind::Pod, each}));
  std::vector<std::string> lines;
  for (const Notice& each : step_claim(*world.claim("default", "data"), world).notices) {
    lines.push_back((each.type == Notice::Type::Warning ? "Warning " : "Normal ") + each.reason +
                    ": " + each.message);
  }
  return lines;
}
using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a bind that stopped after any write comes to the same end", "[step]") {
  // Who chose: neither, the claim, the volume, both (2.4).
  struct Row {
    Json volume, claim;
    bool volume_says, claim_says;  // bound-by-controller
  };
  const Row rows[] = {
      {nullptr, nullptr, true, true},
      {nullptr, kNames, true, false},
      {kReserves, nullptr, false, true},
      {kReserves, kNames, false, false},
  };
  for (const Row& row : rows) {
    const Pair start = {volume_document(row.volume), claim_document(row.claim)};
    const Pair whole = settled(start, true);
    INFO(whole.volume.dump() << "\n" << whole.claim.dump());
    CHECK(text_at(whole.volume, {"status", "phase"}) == "Bound");
    CHECK(text_at(whole.claim, {"status", "phase"}) == "Bound");
    CHECK(value_at(whole.volume, {"metadata", "annotations", kByController}).is_string() ==
          row.volume_says);
    CHECK(value_at(whole.claim, {"metadata", "annotations", kByController}).is_string() ==
          row.claim_says);
    CHECK(value_at(whole.volume, {"spec", "claimRef"}) == Json{{"apiVersion", "v1"},
                                                               {"kind", "PersistentVolumeClaim"},
                                                               {"namespace", "default"},
                                                               {"name", "data"},
                                                               {"uid", "claim-uid"},
                                                               {"resourceVersion", "5"}});
    CHECK(whole.claim["status"] == Json{{"phase", "Bound"},
                                        {"capacity", {{"storage", "2Gi"}}},
                                        {"accessModes", {"ReadWriteOnce", "ReadOnlyMany"}}});

    // Write 1: the volume's spec and metadata; 2: its status; 3: the claim's spec and metadata.
    Pair one = start;
    one.volume["spec"] = whole.volume["spec"];
    one.volume["metadata"] = whole.volume["metadata"];
    Pair two = one;
    two.volume["status"] = whole.volume["status"];
    Pair three = two;
    three.claim["spec"] = whole.claim["spec"];
    three.claim["metadata"] = whole.claim["metadata"];
    for (const bool volume_first : {true, false}) {
      for (const Pair& half : {start, one, two, three, whole}) {
        INFO("from " << half.volume.dump() << "\n" << half.claim.dump());
        CHECK(settled(half, volume_first) == whole);
      }
      // A volume that was never looked at, or lost its status.
      for (Pair half : {start, one, three}) {
        half.volume["status"] = Json::object();
        CHECK(settled(half, volume_first) == whole);
      }
    }
  }
}

TEST_CASE("a size before a resize, and an attributes class, are what a claim gets", "[step]") {
  const Json changes = {
      {"metadata",
       {{"annotations", {{"volume.alpha.kubernetes.io/pre-resize-capacity", "1500Mi"}}}}},
      {"spec", {{"volumeAttributesClassName", "gold"}}}};
  const Json asks = {{"spec", {{"volumeAttributesClassName", "gold"}}}};
  Pair pair = settled({volume_document(changes), claim_document(asks)}, true);
  CHECK(text_at(pair.claim, {"status", "capacity", "storage"}) == "1500Mi");
  CHECK(text_at(pair.claim, {"status", "currentVolumeAttributesClassName"}) == "gold");
  // Sizes are copied on the way into Bound alone; modes at every look.
  pair.volume["spec"]["capacity"]["storage"] = "9Gi";
  pair.volume["metadata"]["annotations"].erase("volume.alpha.kubernetes.io/pre-resize-capacity");
  pair.volume["spec"]["accessModes"] = {"ReadWriteOnce"};
  pair = settled(pair, true);
  CHECK(text_at(pair.claim, {"status", "capacity", "storage"}) == "1500Mi");
  CHECK(pair.claim["status"]["accessModes"] == Json{"ReadWriteOnce"});
}

TEST_CASE("which pods a claim says it waits for", "[step]") {
  const Json waits = {{"metadata", {{"name", "c"}}},
                      {"provisioner", "x.io/y"},
                      {"volumeBindingMode", "WaitForFirstConsumer"}};
  const auto pod = [](const char* name, const Json& changes = nullptr) {
    const Json volume = {{"name", "v"}, {"persistentVolumeClaim", {{"claimName", "data"}}}};
    return merged({{"metadata", {{"name", name}, {"namespace", "default"}}},
                   {"spec", {{"volumes", Json::array({volume})}}}},
                  changes);
  };
  const Json placed = {{"spec", {{"nodeName", "here"}}}};
  const Json done = {{"status", {{"phase", "Succeeded"}}}};
  const Json failed = {{"status", {{"phase", "Failed"}}}};
  const Json far = {{"metadata", {{"namespace", "far"}}}};
  const Json claim = claim_document();
  const Lines nobody = {
      "Normal WaitForFirstConsumer: waiting for first consumer to be created before binding"};
  CHECK(told(claim, waits) == nobody);
  CHECK(told(claim, waits, {pod("a", placed), pod("b", done), pod("c", far), pod("d", failed)}) ==
        nobody);
  CHECK(told(claim, waits, {pod("p1"), pod("p0", placed)}) ==
        Lines{"Normal WaitForPodScheduled: waiting for pod p1 to be scheduled"});
  CHECK(told(claim, waits, {pod("p2"), pod("p1"), pod("p0", done)}) ==
        Lines{"Normal WaitForPodScheduled: waiting for pods p1,p2 to be scheduled"});
}

TEST_CASE("no plugin makes a volume from a data source", "[step]") {
  const Json in_tree = {{"metadata", {{"name", "c"}}}, {"provisioner", "kubernetes.io/host-path"}};
  for (const char* field : {"dataSource", "dataSourceRef"}) {
    const Json changes = {{"spec", {{field, {{"kind", "VolumeSnapshot"}, {"name", "s"}}}}}};
    CHECK(told(claim_document(changes), in_tree) ==
          Lines{"Warning ProvisioningFailed: plugin \"kubernetes.io/host-path\" is not a CSI "
                "plugin. Only CSI plugin can provision a claim with a datasource"});
  }
}

}  // namespace claimfs::volumes
