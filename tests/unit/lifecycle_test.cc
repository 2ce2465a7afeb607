// What one look at one claim or volume decides. KUBERNETES.md 1.4, 1.6, 1.7, 2.2 to 2.5.

#include "volumes/lifecycle.h"

#include "tests/unit/catch.h"
#include "volumes/reclaim.h"

namespace claimfs::volumes {
namespace {

constexpr const char* kBound = "pv.kubernetes.io/bind-completed";
constexpr const char* kByController = "pv.kubernetes.io/bound-by-controller";

Json volume(const std::string& name, const Json& changes = {}) {
  Json document = {{"metadata", {{"name", name}, {"uid", name + "-uid"}}},
                   {"spec",
                    {{"capacity", {{"storage", "2Gi"}}},
                     {"accessModes", {"ReadWriteOnce", "ReadOnlyMany"}},
                     {"storageClassName", "manual"},
                     {"hostPath", {{"path", "/data"}}}}},
                   {"status", {{"phase", "Available"}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

Json claim(const Json& changes = {}) {
  Json document = {{"metadata", {{"name", "data"}, {"namespace", "default"}, {"uid", "claim-uid"}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "manual"},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}},
                   {"status", {{"phase", "Pending"}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

Json merged(Json left, const Json& right) {
  if (!right.is_null()) left.merge_patch(right);
  return left;
}
Json reserved(const char* uid, const char* name = "data") {
  return {{"spec", {{"claimRef", {{"namespace", "default"}, {"name", name}, {"uid", uid}}}}}};
}
Json named(const char* volume_name) { return {{"spec", {{"volumeName", volume_name}}}}; }
Json annotated(const char* key) { return {{"metadata", {{"annotations", {{key, "yes"}}}}}}; }
Json phase(const char* word) { return {{"status", {{"phase", word}}}}; }

// A small cluster that steps are performed on.
struct Cluster {
  std::map<std::string, Json> volumes;
  Json the_claim;
  std::vector<StorageClass> classes;
  std::vector<Pod> pods;
  std::vector<std::string> notices;

  World world() const {
    World all;
    for (const auto& [name, document] : volumes)
      all.put(Volume::from({Kind::PersistentVolume, document}));
    if (!the_claim.is_null()) all.put(Claim::from({Kind::PersistentVolumeClaim, the_claim}));
    for (const StorageClass& each : classes) all.put(each);
    for (const Pod& each : pods) all.put(each);
    return all;
  }

  void perform(const Step& step) {
    if (step.volume) {
      Json& document = volumes[step.volume->metadata.name];
      document = step.volume->written_into(document);
    }
    if (step.claim) the_claim = step.claim->written_into(the_claim);
    for (const Notice& notice : step.notices)
      notices.push_back(notice.reason + ": " + notice.message);
  }

  // Looks at everything until nothing changes; only the last round's notices are kept, since the
  // same is told every time.
  void settle() {
    for (int round = 0; round < 10; ++round) {
      const auto before = std::make_pair(volumes, the_claim);
      notices.clear();
      std::vector<std::string> names;
      for (const auto& [name, document] : volumes) names.push_back(name);
      for (const std::string& name : names) perform(step_volume(*world().volume(name), world()));
      if (!the_claim.is_null()) perform(step_claim(*world().claim("default", "data"), world()));
      if (std::make_pair(volumes, the_claim) == before) return;
    }
    FAIL("it never settles");
  }

  std::string phase_of(const std::string& name) const {
    return text_at(volumes.at(name), {"status", "phase"});
  }
  std::string claim_phase() const { return text_at(the_claim, {"status", "phase"}); }
};

}  // namespace

TEST_CASE("a claim and a volume: what becomes of them", "[lifecycle]") {
  struct Row {
    const char* name;
    Json volume;
    Json claim;
    const char* volume_phase;
    const char* claim_phase;
    std::vector<std::string> notices;
  };
  const std::string none =
      "FailedBinding: no persistent volumes available for this claim and no storage class is set";
  const std::string another = "FailedBinding: volume \"pv\" already bound to a different claim.";
  const auto why = [](const std::string& reason) {
    return "VolumeMismatch: Cannot bind to requested volume \"pv\": " + reason;
  };
  const Json classless = {{"spec", {{"storageClassName", ""}}}};
  const Json too_small = {{"spec", {{"capacity", {{"storage", "1Mi"}}}}}};
  const Row rows[] = {
      {"match", {}, {}, "Bound", "Bound", {}},
      {"a new volume becomes Available, then Bound", phase("Pending"), {}, "Bound", "Bound", {}},
      {"nothing suffices, no class", {}, classless, "Available", "Pending", {none}},
      {"reserved by name is Available until it is bound",
       merged(reserved(""), too_small),
       classless,
       "Available",
       "Pending",
       {none}},
      {"reserved for another stays Available",
       reserved("", "other"),
       classless,
       "Available",
       "Pending",
       {none}},
      {"reserved by uid for one that never was",
       reserved("gone", "other"),
       classless,
       "Released",
       "Pending",
       {none}},
      {"named and free", {}, named("pv"), "Bound", "Bound", {}},
      {"named and too small",
       too_small,
       named("pv"),
       "Available",
       "Pending",
       {why("requested PV is too small")}},
      {"named, of another class",
       classless,
       named("pv"),
       "Available",
       "Pending",
       {why("storageClassName does not match")}},
      {"named and not as the selector says",
       {},
       merged(named("pv"), {{"spec", {{"selector", {{"matchLabels", {{"a", "b"}}}}}}}}),
       "Bound",
       "Bound",
       {}},
      {"each names the other: nothing is checked",
       merged(reserved(""), merged(too_small, classless)),
       named("pv"),
       "Bound",
       "Bound",
       {}},
      {"named and absent: no event", {}, named("elsewhere"), "Available", "Pending", {}},
      {"named and of another claim",
       reserved("", "other"),
       named("pv"),
       "Available",
       "Pending",
       {another}},
      {"a claim of the same name came later",
       reserved("older"),
       named("pv"),
       "Released",
       "Pending",
       {another}},
      {"bound, and its volume lost its reference",
       {},
       merged(named("pv"), merged(annotated(kBound), phase("Bound"))),
       "Bound",
       "Bound",
       {}},
      {"bound, and its volume is gone",
       {},
       merged(named("elsewhere"), merged(annotated(kBound), phase("Bound"))),
       "Available",
       "Lost",
       {}},
      {"bound, and its volume is another's",
       reserved("other-uid"),
       merged(named("pv"), merged(annotated(kBound), phase("Bound"))),
       "Released",
       "Lost",
       {}},
      {"bound, and its volume names no uid",
       reserved(""),
       merged(named("pv"), merged(annotated(kBound), phase("Bound"))),
       "Available",
       "Lost",
       {}},
      {"bound, and its name was emptied",
       {},
       merged(annotated(kBound), phase("Bound")),
       "Available",
       "Lost",
       {}},
      {"Lost, and its volume came back",
       {},
       merged(named("pv"), merged(annotated(kBound), phase("Lost"))),
       "Bound",
       "Bound",
       {}},
      {"says Bound and is not",
       too_small,
       merged(classless, phase("Bound")),
       "Available",
       "Pending",
       {none}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Cluster cluster;
    cluster.volumes["pv"] = volume("pv", row.volume);
    cluster.the_claim = claim(row.claim);
    cluster.settle();
    CHECK(cluster.phase_of("pv") == row.volume_phase);
    CHECK(cluster.claim_phase() == row.claim_phase);
    CHECK(cluster.notices == row.notices);
  }
}

TEST_CASE("losing a volume is told once", "[lifecycle]") {
  Cluster cluster;
  cluster.the_claim = claim(merged(named("pv"), merged(annotated(kBound), phase("Bound"))));
  cluster.perform(step_claim(*cluster.world().claim("default", "data"), cluster.world()));
  CHECK(cluster.notices ==
        std::vector<std::string>{
            "ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!"});
  cluster.settle();
  CHECK(cluster.notices.empty());
  CHECK_FALSE(cluster.the_claim["status"].contains("capacity"));
}

TEST_CASE("binding says who chose", "[lifecycle]") {
  struct Row {
    Json volume, claim;
    bool by_controller_on_volume, by_controller_on_claim;
  };
  const Row rows[] = {
      {{}, {}, true, true},
      {{}, named("pv"), true, false},
      {reserved(""), {}, false, true},
      {reserved(""), named("pv"), false, false},
  };
  for (const Row& row : rows) {
    Cluster cluster;
    cluster.volumes["pv"] = volume("pv", row.volume);
    cluster.the_claim = claim(row.claim);
    cluster.settle();
    const Json& pv = cluster.volumes["pv"];
    CHECK(value_at(pv, {"metadata", "annotations", kByController}).is_string() ==
          row.by_controller_on_volume);
    CHECK(value_at(cluster.the_claim, {"metadata", "annotations", kByController}).is_string() ==
          row.by_controller_on_claim);
    CHECK(text_at(cluster.the_claim, {"metadata", "annotations", kBound}) == "yes");
    CHECK(text_at(pv, {"spec", "claimRef", "uid"}) == "claim-uid");
    CHECK(text_at(pv, {"spec", "claimRef", "kind"}) == "PersistentVolumeClaim");
    // The volume's size and modes, not what was asked for.
    CHECK(text_at(cluster.the_claim, {"status", "capacity", "storage"}) == "2Gi");
    CHECK(cluster.the_claim["status"]["accessModes"] == Json{"ReadWriteOnce", "ReadOnlyMany"});
  }
}

TEST_CASE("a bind that stopped anywhere is finished", "[lifecycle]") {
  Cluster whole;
  whole.volumes["pv"] = volume("pv");
  whole.the_claim = claim();
  whole.settle();
  // What stands after the volume's reference, its phase, and the claim's name have been written.
  for (int written = 1; written <= 3; ++written) {
    INFO(written);
    Cluster half;
    half.volumes["pv"] = whole.volumes["pv"];
    if (written < 2) half.volumes["pv"]["status"]["phase"] = "Available";
    half.the_claim = claim();
    if (written == 3) {
      half.the_claim["spec"] = whole.the_claim["spec"];
      half.the_claim["metadata"] = whole.the_claim["metadata"];
    }
    half.settle();
    CHECK(half.volumes == whole.volumes);
    CHECK(half.the_claim == whole.the_claim);
  }
  // And done twice is done once.
  Cluster again = whole;
  again.settle();
  CHECK(again.volumes == whole.volumes);
  CHECK(again.the_claim == whole.the_claim);
}

TEST_CASE("a claim's end releases its volume, and an administrator frees it", "[lifecycle]") {
  Cluster cluster;
  cluster.volumes["pv"] = volume("pv");
  cluster.the_claim = claim();
  cluster.settle();
  cluster.the_claim = nullptr;
  cluster.settle();
  CHECK(cluster.phase_of("pv") == "Released");
  CHECK(text_at(cluster.volumes["pv"], {"spec", "claimRef", "uid"}) == "claim-uid");
  // A new claim of the same name is another one.
  cluster.the_claim = claim({{"metadata", {{"uid", "new-uid"}}}});
  cluster.settle();
  CHECK(cluster.claim_phase() == "Pending");
  CHECK(cluster.phase_of("pv") == "Released");
  cluster.volumes["pv"]["spec"]["claimRef"].erase("uid");
  cluster.settle();
  CHECK(cluster.claim_phase() == "Bound");
  CHECK(cluster.phase_of("pv") == "Bound");
}

TEST_CASE("two volumes for one claim: the other is given back", "[lifecycle]") {
  for (const bool by_controller : {true, false}) {
    Cluster cluster;
    cluster.volumes["pv"] = volume("pv", reserved("claim-uid"));
    cluster.volumes["other"] = volume("other", reserved("claim-uid"));
    if (by_controller) cluster.volumes["other"].merge_patch(annotated(kByController));
    cluster.the_claim = claim(named("pv"));
    cluster.settle();
    CHECK(cluster.phase_of("pv") == "Bound");
    CHECK(cluster.phase_of("other") == "Available");
    const Json& reference = value_at(cluster.volumes["other"], {"spec", "claimRef"});
    CHECK(reference.is_null() == by_controller);
    if (!by_controller) CHECK_FALSE(reference.contains("uid"));
  }
}

TEST_CASE("classes: defaults that come late, and those that wait", "[lifecycle]") {
  const auto made = [](const Json& document) {
    return StorageClass::from({Kind::StorageClass, document});
  };
  Cluster cluster;
  cluster.the_claim = claim({{"spec", {{"storageClassName", nullptr}}}});
  cluster.classes = {
      made({{"metadata",
             {{"name", "fast"},
              {"annotations", {{"storageclass.kubernetes.io/is-default-class", "true"}}}}},
            {"provisioner", "kubernetes.io/no-provisioner"},
            {"volumeBindingMode", "WaitForFirstConsumer"}})};
  cluster.settle();
  CHECK(text_at(cluster.the_claim, {"spec", "storageClassName"}) == "fast");
  CHECK(cluster.claim_phase() == "Pending");
  CHECK(cluster.notices ==
        std::vector<std::string>{
            "WaitForFirstConsumer: waiting for first consumer to be created before binding"});
  // Without a class of that name, a class is only a word that must be equal.
  cluster.classes.clear();
  cluster.volumes["pv"] = volume("pv", {{"spec", {{"storageClassName", "fast"}}}});
  cluster.settle();
  CHECK(cluster.claim_phase() == "Bound");
}

TEST_CASE("protection ends when nobody uses the object", "[lifecycle]") {
  const Json deleted = {
      {"metadata",
       {{"deletionTimestamp", "2026-01-01T00:00:00Z"},
        {"finalizers", {"kubernetes.io/pv-protection", "kubernetes.io/pvc-protection"}}}}};
  const std::vector<std::string> roots = {"/tmp"};
  const auto volume_ends = [&roots](const Json& document) {
    return protection_ends(Volume::from({Kind::PersistentVolume, document}), World(), roots);
  };
  CHECK_FALSE(volume_ends(volume("pv")));
  CHECK(volume_ends(volume("pv", deleted)));
  CHECK_FALSE(volume_ends(volume("pv", merged(deleted, phase("Bound")))));

  const auto ends = [&](const Json& changes, const std::vector<Json>& pods) {
    World world;
    const Claim it = Claim::from({Kind::PersistentVolumeClaim, claim(changes)});
    world.put(it);
    for (const Json& pod : pods) world.put(Pod::from({Kind::Pod, pod}));
    return protection_ends(it, world);
  };
  const Json pod = {
      {"metadata", {{"name", "p"}, {"namespace", "default"}}},
      {"spec",
       {{"nodeName", "n"},
        {"volumes",
         Json::array({{{"name", "v"}, {"persistentVolumeClaim", {{"claimName", "data"}}}}})}}}};
  CHECK_FALSE(ends({}, {}));
  CHECK(ends(deleted, {}));
  CHECK_FALSE(ends(deleted, {pod}));
  // A pod that nobody has scheduled uses nothing yet; one that has finished still does.
  CHECK(ends(deleted, {merged(pod, {{"spec", {{"nodeName", nullptr}}}})}));
  CHECK_FALSE(ends(deleted, {merged(pod, phase("Succeeded"))}));
  CHECK(ends(deleted, {merged(pod, {{"metadata", {{"namespace", "other"}}}})}));
}

}  // namespace claimfs::volumes
