// What the first consumer of waiting claims decides, and what pods' own claims need.
// KUBERNETES.md 1.3, 1.8, 4.1.

#include "volumes/consumers.h"

#include "tests/unit/catch.h"

namespace claimfs::volumes {
namespace {

using Lines = std::vector<std::string>;

const Node kHere = {"here", {{"kubernetes.io/hostname", "here"}, {"zone", "a"}}};

Json merged(Json left, const Json& right) {
  if (!right.is_null()) left.merge_patch(right);
  return left;
}
Volume volume(const std::string& name, const char* size, const Json& changes = nullptr) {
  const Json document = {{"metadata", {{"name", name}}},
                         {"spec",
                          {{"capacity", {{"storage", size}}},
                           {"accessModes", {"ReadWriteOnce"}},
                           {"storageClassName", "local"},
                           {"hostPath", {{"path", "/data"}}}}},
                         {"status", {{"phase", "Available"}}}};
  return Volume::from({Kind::PersistentVolume, merged(document, changes)});
}
Claim claim(const std::string& name, const char* size = "1Gi", const Json& changes = nullptr) {
  const Json document = {
      {"metadata", {{"name", name}, {"namespace", "default"}, {"uid", name + "-uid"}}},
      {"spec",
       {{"accessModes", {"ReadWriteOnce"}},
        {"storageClassName", "local"},
        {"resources", {{"requests", {{"storage", size}}}}}}},
      {"status", {{"phase", "Pending"}}}};
  return Claim::from({Kind::PersistentVolumeClaim, merged(document, changes)});
}
Json with_class(const char* name) { return {{"spec", {{"storageClassName", name}}}}; }
Json reserved(const char* name, const char* uid = "") {
  return {{"spec", {{"claimRef", {{"namespace", "default"}, {"name", name}, {"uid", uid}}}}}};
}
// A volume that is in this zone alone.
Json in_zone(const char* zone) {
  return {{"spec",
           {{"nodeAffinity",
             {{"required",
               {{"nodeSelectorTerms",
                 Json::array({{{"matchExpressions",
                                Json::array({{{"key", "zone"},
                                              {"operator", "In"},
                                              {"values", Json::array({zone})}}})}}})}}}}}}}};
}
const Json kBound = {{"metadata", {{"annotations", {{"pv.kubernetes.io/bind-completed", "yes"}}}}},
                     {"spec", {{"volumeName", "taken"}}},
                     {"status", {{"phase", "Bound"}}}};
const Json kLost = {{"spec", {{"volumeName", "gone"}}}, {"status", {{"phase", "Lost"}}}};
const Json kDeleting = {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}};
const Json kSelected = {
    {"metadata", {{"annotations", {{"volume.kubernetes.io/selected-node", "there"}}}}}};

World world_of(const std::vector<Volume>& volumes, const std::vector<Claim>& claims) {
  World world;
  for (const Volume& each : volumes) world.put(each);
  for (const Claim& each : claims) world.put(each);
  const auto put_class = [&world](const char* name, const char* provisioner, bool waits,
                                  const Json& changes = nullptr) {
    const Json document = {{"metadata", {{"name", name}}},
                           {"provisioner", provisioner},
                           {"volumeBindingMode", waits ? "WaitForFirstConsumer" : "Immediate"}};
    world.put(StorageClass::from({Kind::StorageClass, merged(document, changes)}));
  };
  const auto topology = [](const char* zone) {
    const Json expression = {{"key", "zone"}, {"values", Json::array({zone})}};
    const Json term = {{"matchLabelExpressions", Json::array({expression})}};
    return Json{{"allowedTopologies", Json::array({term})}};
  };
  put_class("local", "kubernetes.io/no-provisioner", true);
  put_class("dynamic", "x.io/y", true);
  put_class("zone-a", "x.io/y", true, topology("a"));
  put_class("zone-b", "x.io/y", true, topology("b"));
  put_class("nobody", "", true);
  put_class("immediate", "x.io/y", false);
  return world;
}

// "claim<-volume", "claim@node", "nothing"; or the refusal.
Lines decided(const World& world, const Lines& names, const Node& node = kHere) {
  const Placement placement = place("default", names, world, node);
  if (!placement.refusal.empty()) {
    CHECK(placement.steps.empty());
    return {placement.refusal};
  }
  Lines lines;
  for (const Step& step : placement.steps) {
    CHECK(step.notices.empty());
    if (step.volume) {
      const Volume& it = *step.volume;
      CHECK(it.metadata.has_annotation("pv.kubernetes.io/bound-by-controller"));
      CHECK(it.claim_ref->uid == it.claim_ref->name + "-uid");
      CHECK(it.phase == VolumePhase::Available);
      lines.push_back(it.claim_ref->name + "<-" + it.metadata.name);
    } else if (step.claim) {
      const StringMap& all = step.claim->metadata.annotations;
      lines.push_back(step.claim->metadata.name + "@" +
                      all.find("volume.kubernetes.io/selected-node")->second);
    } else {
      lines.push_back("nothing");
    }
  }
  return lines;
}

const std::string kNoneFound = "node(s) didn't find available persistent volumes to bind";
const std::string kImmediate = "pod has unbound immediate PersistentVolumeClaims";

}  // namespace

TEST_CASE("the first consumer: what its claims get", "[consumers]") {
  struct Row {
    const char* name;
    std::vector<Volume> volumes;
    std::vector<Claim> claims;
    Lines asked;
    Lines end;
  };
  const Row rows[] = {
      {"no claims", {}, {}, {}, {}},
      {"the smallest that suffices",
       {volume("large", "9Gi"), volume("right", "2Gi"), volume("small", "1Mi")},
       {claim("a")},
       {"a"},
       {"a<-right"}},
      // The scheduler does not group by modes, as the controller does (1.3.12, 13).
      {"the smallest, whatever its modes",
       {volume("rwo", "9Gi"),
        volume("rwx", "2Gi", {{"spec", {{"accessModes", {"ReadWriteOnce", "ReadWriteMany"}}}}})},
       {claim("a")},
       {"a"},
       {"a<-rwx"}},
      {"several: smallest claim first, and no volume twice",
       {volume("p5", "5Gi"), volume("p1", "1Gi"), volume("p2", "2Gi")},
       {claim("a", "4Gi"), claim("b", "1Gi"), claim("c", "1Gi")},
       {"a", "b", "c"},
       {"b<-p1", "c<-p2", "a<-p5"}},
      {"largest first would have taken both",
       {volume("p2", "2Gi"), volume("p1", "1Gi")},
       {claim("a", "2Gi"), claim("b", "1Gi")},
       {"a", "b"},
       {"b<-p1", "a<-p2"}},
      {"one without: none of them",
       {volume("p1", "1Gi")},
       {claim("a"), claim("b")},
       {"a", "b"},
       {kNoneFound}},
      {"a claim that two of its volumes name is one",
       {volume("p1", "1Gi"), volume("p2", "2Gi")},
       {claim("a")},
       {"a", "a"},
       {"a<-p1"}},
      {"a volume of another class",
       {volume("p", "1Gi", with_class("other"))},
       {claim("a")},
       {"a"},
       {kNoneFound}},
      {"reserved already: the controller binds it",
       {volume("mine", "9Gi", reserved("a")), volume("free", "1Gi")},
       {claim("a")},
       {"a"},
       {"nothing"}},
      {"reserved, and out of reach: no other",
       {volume("mine", "9Gi", merged(reserved("a"), in_zone("b"))), volume("free", "1Gi")},
       {claim("a")},
       {"a"},
       {kNoneFound}},
      {"reserved, and too small: another",
       {volume("mine", "1Mi", reserved("a")), volume("free", "1Gi")},
       {claim("a")},
       {"a"},
       {"a<-free"}},
      {"reserved for another",
       {volume("theirs", "1Gi", reserved("b"))},
       {claim("a")},
       {"a"},
       {kNoneFound}},
      {"a volume that the node does not reach",
       {volume("near", "9Gi", in_zone("a")), volume("far", "1Gi", in_zone("b"))},
       {claim("a")},
       {"a"},
       {"a<-near"}},
      {"a provisioner is told the node",
       {},
       {claim("a", "1Gi", with_class("dynamic"))},
       {"a"},
       {"a@here"}},
      {"what is there is taken first",
       {volume("p", "1Gi", with_class("dynamic"))},
       {claim("a", "1Gi", with_class("dynamic")), claim("b", "1Gi", with_class("dynamic"))},
       {"a", "b"},
       {"a<-p", "b@here"}},
      {"told already",
       {},
       {claim("a", "1Gi", merged(with_class("dynamic"), kSelected))},
       {"a"},
       {}},
      {"a topology with this node",
       {},
       {claim("a", "1Gi", with_class("zone-a"))},
       {"a"},
       {"a@here"}},
      {"a topology without it", {}, {claim("a", "1Gi", with_class("zone-b"))}, {"a"}, {kNoneFound}},
      {"no provisioner's name", {}, {claim("a", "1Gi", with_class("nobody"))}, {"a"}, {kNoneFound}},
      {"bound", {}, {claim("a", "1Gi", kBound)}, {"a"}, {}},
      {"immediate", {}, {claim("a", "1Gi", with_class("immediate"))}, {"a"}, {kImmediate}},
      {"no such class", {}, {claim("a", "1Gi", with_class("gone"))}, {"a"}, {kImmediate}},
      {"no class", {}, {claim("a", "1Gi", with_class(""))}, {"a"}, {kImmediate}},
      // A named volume is bound at once, whatever the class (1.4).
      {"names its volume",
       {volume("p", "1Gi")},
       {claim("a", "1Gi", {{"spec", {{"volumeName", "p"}}}})},
       {"a"},
       {kImmediate}},
      {"missing", {}, {}, {"a"}, {"persistentvolumeclaim \"a\" not found"}},
      {"Lost",
       {},
       {claim("a", "1Gi", kLost)},
       {"a"},
       {"persistentvolumeclaim \"a\" bound to non-existent persistentvolume \"gone\""}},
      {"being deleted",
       {},
       {claim("a", "1Gi", merged(kBound, kDeleting))},
       {"a"},
       {"persistentvolumeclaim \"a\" is being deleted"}},
      {"Lost and being deleted",
       {},
       {claim("a", "1Gi", merged(kLost, kDeleting))},
       {"a"},
       {"persistentvolumeclaim \"a\" bound to non-existent persistentvolume \"gone\""}},
      {"the first that is wrong",
       {},
       {claim("b", "1Gi", kDeleting)},
       {"b", "a"},
       {"persistentvolumeclaim \"b\" is being deleted"}},
      {"missing is looked for before anything else",
       {volume("p", "1Gi")},
       {claim("i", "1Gi", with_class("immediate")), claim("w", "1Gi")},
       {"i", "w", "a"},
       {"persistentvolumeclaim \"a\" not found"}},
      {"immediate, after one that waits",
       {volume("p", "1Gi")},
       {claim("i", "1Gi", with_class("immediate")), claim("w", "1Gi")},
       {"w", "i"},
       {kImmediate}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(decided(world_of(row.volumes, row.claims), row.asked) == row.end);
  }
  CHECK(place("elsewhere", {"a"}, world_of({}, {claim("a")}), kHere).refusal ==
        "persistentvolumeclaim \"a\" not found");
}

TEST_CASE("nodeAffinity: which nodes", "[consumers]") {
  struct Row {
    Json required;
    bool reaches;
  };
  const auto expression = [](const char* key, const char* op, const Json& values) {
    Json it = {{"key", key}, {"operator", op}};
    if (!values.is_null()) it["values"] = values;
    return Json{{"matchExpressions", Json::array({it})}};
  };
  const auto terms = [](const std::vector<Json>& all) { return Json{{"nodeSelectorTerms", all}}; };
  const auto field = [](const char* name) {
    const Json it = {{"key", "metadata.name"}, {"operator", "In"}, {"values", Json::array({name})}};
    return Json{{"matchFields", Json::array({it})}};
  };
  const Json in_a = expression("zone", "In", {"a", "c"});
  const Json in_b = expression("zone", "In", {"b", "c"});
  Json both = in_a;
  both["matchExpressions"].push_back(in_b["matchExpressions"][0]);
  const Row rows[] = {
      {nullptr, true},
      {terms({in_a}), true},
      {terms({in_b}), false},
      {terms({in_b, in_a}), true},
      {terms({both}), false},
      {terms({}), false},
      {terms({Json::object()}), false},
      {terms({Json::object(), in_a}), true},
      {terms({expression("zone", "NotIn", {"b", "c"})}), true},
      {terms({expression("zone", "Exists", nullptr)}), true},
      {terms({expression("zone", "DoesNotExist", nullptr)}), false},
      {terms({expression("rack", "NotIn", {"b", "c"})}), true},
      {terms({field("here")}), true},
      {terms({field("there")}), false},
  };
  for (const Row& row : rows) {
    INFO(row.required.dump());
    const Json changes = row.required.is_null()
                             ? Json()
                             : Json{{"spec", {{"nodeAffinity", {{"required", row.required}}}}}};
    const Claim it = claim("a");
    const World world = world_of({volume("p", "1Gi", changes)}, {it});
    CHECK((find_volume(it, world, kHere, {}) != nullptr) == row.reaches);
    CHECK_FALSE(find_volume(it, world, kHere, {"p"}));
    // 1.3: the controller does not ask where a volume is.
    CHECK(find_volume(it, world, Binding::Immediate));
    CHECK_FALSE(find_volume(it, world, Binding::WaitsForConsumer));
  }
}

}  // namespace claimfs::volumes
