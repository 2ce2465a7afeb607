// step_claim over every phase of a claim, and every volume and class that it can meet, compared
// with KUBERNETES.md 1.1 to 1.7, 2.3 to 2.5 and 7.2 written down a second time.

#include "tests/unit/catch.h"
#include "volumes/lifecycle.h"

namespace claimfs::volumes {
namespace {

constexpr const char* kDone = "pv.kubernetes.io/bind-completed";
constexpr const char* kByController = "pv.kubernetes.io/bound-by-controller";
constexpr const char* kAsked = "volume.kubernetes.io/storage-provisioner";
constexpr const char* kAskedBeta = "volume.beta.kubernetes.io/storage-provisioner";

// What the volume "pv" has against the claim, and how it is put (1.4); "" where the claim's naming
// it is enough. `even_reserved`: 1.3.3 to 1.3.6 hold for a volume that is reserved, too.
struct Fault {
  Json volume;
  std::string why;
  bool even_reserved;
};
const Fault kFaults[] = {
    {nullptr, "", false},
    {{{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}},
     "the volume is marked for deletion \"pv\"",
     true},
    {{{"spec", {{"capacity", {{"storage", "1Mi"}}}}}}, "requested PV is too small", true},
    {{{"spec", {{"storageClassName", "another"}}}}, "storageClassName does not match", false},
    {{{"spec", {{"volumeAttributesClassName", "gold"}}}},
     "volumeAttributesClassName does not match",
     true},
    {{{"spec", {{"volumeMode", "Block"}}}}, "incompatible volumeMode", true},
    {{{"spec", {{"accessModes", {"ReadOnlyMany"}}}}}, "incompatible accessMode", true},
    {{{"metadata", {{"labels", {{"tier", "tin"}}}}}}, "", false},
};

// The volume's claimRef, seen from the claim (1.5).
enum class Reference { None, NameOnly, ThisUid, OtherUid, OtherName, OtherNamespace };
Json reference(const char* name_space, const char* name, const char* uid) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolumeClaim"},
                   {"namespace", name_space},
                   {"name", name}};
  if (*uid) document["uid"] = uid;
  return document;
}
const std::pair<Reference, Json> kReferences[] = {
    {Reference::None, nullptr},
    {Reference::NameOnly, reference("default", "data", "")},
    {Reference::ThisUid, reference("default", "data", "claim-uid")},
    {Reference::OtherUid, reference("default", "data", "earlier")},
    {Reference::OtherName, reference("default", "theirs", "theirs")},
    {Reference::OtherNamespace, reference("far", "data", "")},
};

// What the claim says about its class, and 1.7 for when no volume fits.
struct ClassKind {
  Json claim;          // spec.storageClassName; null: absent
  Json storage_class;  // the object; null: there is none
  bool is_selected;    // the claim has the annotation selected-node
  bool waits;          // for a consumer: volumes that are free are the scheduler's (1.3.8)
  std::string phase;   // "": not touched
  std::string gets;    // spec.storageClassName, retroactively
  std::string asks;    // this provisioner, by annotation
  std::string tells;
};
Json class_object(const char* provisioner, bool waits, const Json& changes = nullptr) {
  Json document = {{"metadata", {{"name", "c"}}},
                   {"provisioner", provisioner},
                   {"volumeBindingMode", waits ? "WaitForFirstConsumer" : "Immediate"}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}
std::string waiting_for(const std::string& provisioner) {
  return "Normal ExternalProvisioning: Waiting for a volume to be created either by the external "
         "provisioner '" +
         provisioner +
         "' or manually by the system administrator. If volume creation is delayed, please verify "
         "that the provisioner is running and correctly registered.";
}
const Json kIsDefault = {
    {"metadata", {{"annotations", {{"storageclass.kubernetes.io/is-default-class", "true"}}}}}};
const std::string kNoClass =
    "Normal FailedBinding: no persistent volumes available for this claim and no storage class is "
    "set";
const std::string kFailed = "Warning ProvisioningFailed: ";
const ClassKind kClasses[] = {
    {nullptr, nullptr, false, false, "Pending", "", "", kNoClass},
    {nullptr, class_object("x.io/y", false, kIsDefault), false, false, "", "c", "", ""},
    {"", class_object("x.io/y", false, kIsDefault), false, false, "Pending", "", "", kNoClass},
    {"c", nullptr, false, false, "", "", "",
     kFailed + "storageclass.storage.k8s.io \"c\" not found"},
    {"c", class_object("x.io/y", false), false, false, "", "", "x.io/y", waiting_for("x.io/y")},
    {"c", class_object("claimfs.io/nfs", false), false, false, "", "", "claimfs.io/nfs",
     waiting_for("claimfs.io/nfs")},
    {"c", class_object("kubernetes.io/no-provisioner", false), false, false, "", "", "",
     kFailed + "no volume plugin matched name: kubernetes.io/no-provisioner"},
    {"c", class_object("kubernetes.io/nfs", false), false, false, "", "", "",
     kFailed + "no provisionable volume plugin matched"},
    {"c", class_object("kubernetes.io/host-path", false), false, false, "", "",
     "kubernetes.io/host-path",
     kFailed +
         "Failed to create provisioner: provisioning in volume plugin \"kubernetes.io/host-path\" "
         "is disabled"},
    {"c", class_object("kubernetes.io/host-path", false, {{"mountOptions", {"a", "b"}}}), false,
     false, "", "", "kubernetes.io/host-path",
     kFailed +
         "Mount options are not supported by the provisioner but StorageClass \"c\" has mount "
         "options [a b]"},
    {"c", class_object("kubernetes.io/no-provisioner", true), false, true, "Pending", "", "",
     "Normal WaitForFirstConsumer: waiting for first consumer to be created before binding"},
    {"c", class_object("x.io/y", true), false, true, "Pending", "", "",
     "Normal WaitForFirstConsumer: waiting for first consumer to be created before binding"},
    {"c", class_object("x.io/y", true), true, true, "", "", "x.io/y", waiting_for("x.io/y")},
    {"c", class_object("kubernetes.io/no-provisioner", true), true, true, "", "", "",
     kFailed + "no volume plugin matched name: kubernetes.io/no-provisioner"},
};

struct Situation {
  std::string phase;
  bool is_done = false;        // bind-completed
  bool by_controller = false;  // on the claim
  std::string volume_name;
  std::string volume_phase;
  const Fault* fault = nullptr;
  const std::pair<Reference, Json>* reference = nullptr;
  const ClassKind* kind = nullptr;

  // The documents, which are made once.
  Json claim = nullptr;
  Json volume = nullptr;

  World world() const {
    World world;
    world.put(Volume::from({Kind::PersistentVolume, volume}));
    world.put(Claim::from({Kind::PersistentVolumeClaim, claim}));
    if (!kind->storage_class.is_null())
      world.put(StorageClass::from({Kind::StorageClass, kind->storage_class}));
    return world;
  }
};

Json claim_of(const Situation& at) {
  Json document = {
      {"metadata",
       {{"name", "data"},
        {"namespace", "default"},
        {"uid", "claim-uid"},
        {"annotations", {{"team", "a"}}}}},
      {"spec",
       {{"accessModes", {"ReadWriteOnce"}},
        {"selector", {{"matchLabels", {{"tier", "gold"}}}}},
        {"resources", {{"requests", {{"storage", "1Gi"}}}}}}},
      {"status", {{"capacity", {{"storage", "3Gi"}}}, {"accessModes", {"ReadWriteMany"}}}}};
  Json& annotations = document["metadata"]["annotations"];
  if (!at.phase.empty()) document["status"]["phase"] = at.phase;
  if (at.is_done) annotations[kDone] = "yes";
  if (at.by_controller) annotations[kByController] = "yes";
  if (at.kind->is_selected) annotations["volume.kubernetes.io/selected-node"] = "here";
  if (!at.volume_name.empty()) document["spec"]["volumeName"] = at.volume_name;
  if (!at.kind->claim.is_null()) document["spec"]["storageClassName"] = at.kind->claim;
  return document;
}
Json volume_of(const Situation& at) {
  Json document = {{"metadata", {{"name", "pv"}, {"labels", {{"tier", "gold"}}}}},
                   {"spec",
                    {{"capacity", {{"storage", "2Gi"}}},
                     {"accessModes", {"ReadWriteOnce", "ReadOnlyMany"}},
                     {"hostPath", {{"path", "/data"}}}}},
                   {"status", {{"phase", at.volume_phase}, {"message", "old words"}}}};
  if (!at.kind->claim.is_null()) document["spec"]["storageClassName"] = at.kind->claim;
  if (!at.fault->volume.is_null()) document.merge_patch(at.fault->volume);
  if (!at.reference->second.is_null()) document["spec"]["claimRef"] = at.reference->second;
  return document;
}

struct End {
  Json volume, claim;
  std::vector<std::string> notices;
};

// 2.5
End reset(const Situation& at, const char* phase, std::vector<std::string> notices) {
  End end = {at.volume, at.claim, std::move(notices)};
  end.claim["status"] = {{"phase", phase}};
  return end;
}

// 2.3: told at the transition only.
End lost(const Situation& at, const std::string& notice) {
  return reset(at, "Lost",
               at.phase == "Lost" ? std::vector<std::string>() : std::vector{"Warning " + notice});
}

// 2.4
End bound(const Situation& at) {
  End end = {at.volume, at.claim, {}};
  const bool was_reserved =
      at.reference->first == Reference::NameOnly || at.reference->first == Reference::ThisUid;
  if (!was_reserved) end.volume["metadata"]["annotations"][kByController] = "yes";
  end.volume["spec"]["claimRef"].merge_patch({{"apiVersion", "v1"},
                                              {"kind", "PersistentVolumeClaim"},
                                              {"namespace", "default"},
                                              {"name", "data"},
                                              {"uid", "claim-uid"}});
  if (end.volume["status"]["phase"] != "Bound") end.volume["status"] = {{"phase", "Bound"}};
  Json& annotations = end.claim["metadata"]["annotations"];
  if (at.volume_name != "pv") annotations[kByController] = "yes";
  annotations[kDone] = "yes";
  end.claim["spec"]["volumeName"] = "pv";
  end.claim["status"]["accessModes"] = end.volume["spec"]["accessModes"];
  if (at.phase != "Bound") {
    end.claim["status"]["capacity"] = end.volume["spec"]["capacity"];
    if (const Json& name = value_at(end.volume, {"spec", "volumeAttributesClassName"});
        name.is_string())
      end.claim["status"]["currentVolumeAttributesClassName"] = name;
  }
  end.claim["status"]["phase"] = "Bound";
  return end;
}

// 2.3
End end_of_done(const Situation& at) {
  if (at.volume_name.empty()) {
    return lost(at,
                "ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the "
                "volume is lost!");
  }
  if (at.volume_name != "pv") {
    return lost(
        at, "ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!");
  }
  const Reference reference = at.reference->first;
  if (reference == Reference::None || reference == Reference::ThisUid) return bound(at);
  return lost(at,
              "ClaimMisbound: Two claims are bound to the same volume, this one is bound "
              "incorrectly");
}

// 1.4
End end_of_named(const Situation& at) {
  if (at.volume_name != "pv") return reset(at, "Pending", {});
  switch (at.reference->first) {
    case Reference::NameOnly:
    case Reference::ThisUid:
      return bound(at);
    case Reference::None:
      if (at.fault->why.empty()) return bound(at);
      return reset(
          at, "Pending",
          {"Warning VolumeMismatch: Cannot bind to requested volume \"pv\": " + at.fault->why});
    default:
      break;
  }
  const std::string taken =
      "Warning FailedBinding: volume \"pv\" already bound to a different claim.";
  if (at.by_controller) return {at.volume, at.claim, {taken}};
  return reset(at, "Pending", {taken});
}

// 1.3
bool is_found(const Situation& at) {
  if (at.reference->first == Reference::NameOnly || at.reference->first == Reference::ThisUid)
    return !at.fault->even_reserved;
  return at.reference->first == Reference::None && at.fault == &kFaults[0] &&
         at.volume_phase == "Available" && !at.kind->waits;
}

// 1.7
End end_of_search(const Situation& at) {
  if (is_found(at)) return bound(at);
  const ClassKind& kind = *at.kind;
  std::vector<std::string> notices;
  if (!kind.tells.empty()) notices.push_back(kind.tells);
  if (!kind.phase.empty()) return reset(at, "Pending", notices);
  End end = {at.volume, at.claim, notices};
  if (!kind.gets.empty()) end.claim["spec"]["storageClassName"] = kind.gets;
  if (!kind.asks.empty()) {
    end.claim["metadata"]["annotations"][kAsked] = kind.asks;
    end.claim["metadata"]["annotations"][kAskedBeta] = kind.asks;
  }
  return end;
}

// 1.1
End end_of(const Situation& at) {
  if (at.is_done) return end_of_done(at);
  return at.volume_name.empty() ? end_of_search(at) : end_of_named(at);
}

End performed(const Situation& at, const World& world) {
  const Step step = step_claim(*world.claim("default", "data"), world);
  End end = {at.volume, at.claim, {}};
  if (step.volume) end.volume = step.volume->written_into(end.volume);
  if (step.claim) end.claim = step.claim->written_into(end.claim);
  for (const Notice& each : step.notices) {
    end.notices.push_back((each.type == Notice::Type::Warning ? "Warning " : "Normal ") +
                          each.reason + ": " + each.message);
  }
  return end;
}

// Looks at both until nothing changes; false when that never happens.
bool settles(World world) {
  for (int round = 0; round < 6; ++round) {
    const Step volume = step_volume(*world.volume("pv"), world);
    if (volume.volume) world.put(*volume.volume);
    const Step claim = step_claim(*world.claim("default", "data"), world);
    if (claim.volume) world.put(*claim.volume);
    if (claim.claim) world.put(*claim.claim);
    if (!volume.volume && !volume.claim && !claim.volume && !claim.claim) return true;
  }
  return false;
}

void compare(const Situation& at) {
  const End expected = end_of(at);
  World world = at.world();
  const End end = performed(at, world);
  const bool is_settled = settles(std::move(world));
  if (end.volume == expected.volume && end.claim == expected.claim &&
      end.notices == expected.notices && is_settled)
    return;
  INFO("before: " << at.claim.dump() << "\n" << at.volume.dump());
  CHECK(end.volume == expected.volume);
  CHECK(end.claim == expected.claim);
  CHECK(end.notices == expected.notices);
  CHECK(is_settled);
}

}  // namespace

TEST_CASE("a claim's step, from everywhere", "[step]") {
  int situations = 0;
  for (const char* phase : {"", "Pending", "Bound", "Lost"})
    for (const char* volume_name : {"", "pv", "elsewhere"})
      for (const char* volume_phase : {"Pending", "Available", "Bound"})
        for (const Fault& fault : kFaults)
          for (const auto& reference : kReferences)
            for (const ClassKind& kind : kClasses)
              for (unsigned bits = 0; bits < 4; ++bits) {
                Situation at = {.phase = phase,
                                .is_done = (bits & 1) != 0,
                                .by_controller = (bits & 2) != 0,
                                .volume_name = volume_name,
                                .volume_phase = volume_phase,
                                .fault = &fault,
                                .reference = &reference,
                                .kind = &kind};
                at.claim = claim_of(at);
                at.volume = volume_of(at);
                compare(at);
                ++situations;
              }
  CHECK(situations == 4 * 3 * 3 * 8 * 6 * 14 * 4);
}

}  // namespace claimfs::volumes
