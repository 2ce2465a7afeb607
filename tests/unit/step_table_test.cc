// step_volume over every phase of a volume and everything that its claim can be meanwhile, compared
// with KUBERNETES.md 2.2 and 3.5 written down a second time.

#include <set>

#include "tests/unit/catch.h"
#include "volumes/lifecycle.h"

namespace claimfs::volumes {
namespace {

constexpr const char* kInTree = "kubernetes.io/pv-controller";
constexpr const char* kExternal = "external-provisioner.volume.kubernetes.io/finalizer";
constexpr const char* kByController = "pv.kubernetes.io/bound-by-controller";
constexpr const char* kOldMessage = "words of an earlier phase";

using Words = std::set<std::string>;

// What the volume's claimRef leads to.
enum class Reference { None, NameOnly, Unbound, BoundHere, BoundElsewhere, Missing, OtherUid };
constexpr Reference kReferences[] = {
    Reference::None,           Reference::NameOnly, Reference::Unbound, Reference::BoundHere,
    Reference::BoundElsewhere, Reference::Missing,  Reference::OtherUid};
constexpr const char* kPhases[] = {"", "Pending", "Available", "Bound", "Released", "Failed"};
constexpr const char* kMakers[] = {"",
                                   "kubernetes.io/host-path",
                                   "kubernetes.io/aws-ebs",
                                   "claimfs.io/host-path",
                                   "rancher.io/local-path",
                                   "ebs.csi.aws.com"};
constexpr const char* kPolicies[] = {"Retain", "Recycle", "Delete", "Shred"};

struct Situation {
  std::string phase = {};
  Reference reference = Reference::None;
  bool by_controller = false;
  std::string maker = {};
  std::string policy = "Retain";
  bool is_deleting = false;
  bool has_in_tree = false;  // finalizers that are there already
  bool has_external = false;
  bool mode_differs = false;  // the claim wants a block device

  std::string text() const {
    return "phase '" + phase + "', reference " + std::to_string(static_cast<int>(reference)) +
           (by_controller ? ", by controller" : "") + ", made by '" + maker + "', " + policy +
           (is_deleting ? ", deleting" : "") + (has_in_tree ? ", in-tree finalizer" : "") +
           (has_external ? ", external finalizer" : "") + (mode_differs ? ", mode differs" : "");
  }

  Json volume() const {
    Json document = {{"metadata",
                      {{"name", "pv"},
                       {"uid", "pv-uid"},
                       {"annotations", {{"team", "a"}}},
                       {"finalizers", {"kubernetes.io/pv-protection"}}}},
                     {"spec",
                      {{"capacity", {{"storage", "1Gi"}}},
                       {"accessModes", {"ReadWriteOnce"}},
                       {"persistentVolumeReclaimPolicy", policy},
                       {"hostPath", {{"path", "/tmp/data"}}}}},
                     {"status", {{"message", kOldMessage}}}};
    if (!phase.empty()) document["status"]["phase"] = phase;
    Json& metadata = document["metadata"];
    if (by_controller) metadata["annotations"][kByController] = "yes";
    if (!maker.empty()) metadata["annotations"]["pv.kubernetes.io/provisioned-by"] = maker;
    if (is_deleting) metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    if (has_in_tree) metadata["finalizers"].push_back(kInTree);
    if (has_external) metadata["finalizers"].push_back(kExternal);
    if (reference == Reference::None) return document;
    Json& claim_ref = document["spec"]["claimRef"];
    claim_ref = {{"apiVersion", "v1"},
                 {"kind", "PersistentVolumeClaim"},
                 {"namespace", "default"},
                 {"name", "data"}};
    if (reference == Reference::OtherUid)
      claim_ref["uid"] = "the-uid-of-an-earlier-claim";
    else if (reference != Reference::NameOnly)
      claim_ref["uid"] = "claim-uid";
    return document;
  }

  World world() const {
    World world;
    world.put(Volume::from({Kind::PersistentVolume, volume()}));
    if (reference == Reference::Missing) return world;
    Json claim = {{"metadata", {{"name", "data"}, {"namespace", "default"}, {"uid", "claim-uid"}}},
                  {"spec", {{"accessModes", {"ReadWriteOnce"}}}}};
    if (reference == Reference::BoundHere) claim["spec"]["volumeName"] = "pv";
    if (reference == Reference::BoundElsewhere) claim["spec"]["volumeName"] = "another";
    if (mode_differs) claim["spec"]["volumeMode"] = "Block";
    world.put(Claim::from({Kind::PersistentVolumeClaim, claim}));
    return world;
  }
};

struct Outcome {
  std::string phase = {};
  bool is_free = false;      // claimRef and its annotation are taken away
  bool loses_uid = false;    // of claimRef
  bool is_released = false;  // the reclaim policy applies
};

// KUBERNETES.md 2.2, from top to bottom.
Outcome table(const Situation& at) {
  const std::string released = at.phase == "Failed" ? "Failed" : "Released";
  switch (at.reference) {
    case Reference::None:
    case Reference::NameOnly:
      return {.phase = "Available"};
    case Reference::Missing:
    case Reference::OtherUid:
      return {.phase = released, .is_released = true};
    case Reference::Unbound:
      return {.phase = at.phase};
    case Reference::BoundHere:
      return {.phase = "Bound"};
    case Reference::BoundElsewhere:
      if (!at.maker.empty() && at.policy == "Delete")
        return {.phase = released, .is_released = true};
      return {.phase = "Available", .is_free = at.by_controller, .loses_uid = !at.by_controller};
  }
  return {};
}

// 3.5: "present iff policy is Delete", but for what cannot be added any more.
Words finalizers(const Situation& at) {
  const bool wanted = at.policy == "Delete";
  const auto kept = [&](bool is_there) { return wanted && (is_there || !at.is_deleting); };
  Words words = {"kubernetes.io/pv-protection"};
  bool in_tree = at.has_in_tree;
  bool external = at.has_external;
  if (at.maker.starts_with("kubernetes.io/")) {
    in_tree = kept(in_tree);
    external = false;
  } else if (at.maker == "claimfs.io/host-path" || at.maker == "rancher.io/local-path") {
    external = kept(external);
  }
  if (in_tree) words.insert(kInTree);
  if (external) words.insert(kExternal);
  return words;
}

// What the table says the document becomes; finalizers apart, whose order is nobody's.
Json document_after(const Situation& at) {
  const Outcome outcome = table(at);
  Json document = at.volume();
  if (outcome.phase != at.phase) {
    document["status"]["phase"] = outcome.phase;
    document["status"].erase("message");
  }
  if (outcome.is_free) {
    document["spec"].erase("claimRef");
    document["metadata"]["annotations"].erase(kByController);
  }
  if (outcome.loses_uid) document["spec"]["claimRef"].erase("uid");
  document["metadata"].erase("finalizers");
  return document;
}

std::vector<std::string> told(const Step& step) {
  std::vector<std::string> lines;
  for (const Notice& each : step.notices) {
    lines.push_back(std::string(each.type == Notice::Type::Warning ? "Warning " : "Normal ") +
                    each.about.name + " " + each.reason + ": " + each.message);
  }
  return lines;
}

Words finalizers_of(const Json& document) {
  const auto list = string_list(value_at(document, {"metadata", "finalizers"}));
  return {list.begin(), list.end()};
}

const std::vector<std::string> kModeMismatch = {
    "Warning pv VolumeMismatch: Cannot bind PersistentVolume to requested PersistentVolumeClaim "
    "\"data\" due to incompatible volumeMode.",
    "Warning data VolumeMismatch: Cannot bind PersistentVolume \"pv\" to requested "
    "PersistentVolumeClaim due to incompatible volumeMode."};

// Only what differs is reported: an assertion for each would be tens of thousands.
void compare(const Situation& at) {
  const World world = at.world();
  const Step step = step_volume(*world.volume("pv"), world);
  Json document = at.volume();
  if (step.volume) document = step.volume->written_into(document);
  const Words after = finalizers_of(document);

  // It changes what has to change, and says so.
  const bool is_changed = document != at.volume();
  document["metadata"].erase("finalizers");
  const bool is_right = document == document_after(at) && after == finalizers(at);
  const bool is_silent = at.reference != Reference::Unbound || !at.mode_differs;
  const bool is_told = told(step) == (is_silent ? std::vector<std::string>() : kModeMismatch);
  const bool is_policy_right = is_released(*world.volume("pv"), world) == table(at).is_released;
  bool is_settled = !step.claim && is_changed == step.volume.has_value();
  if (step.volume) {
    World next = at.world();
    next.put(*step.volume);
    const Step second = step_volume(*next.volume("pv"), next);
    is_settled = is_settled && !second.volume && !second.claim && second.notices == step.notices;
  }
  if (is_right && is_told && is_policy_right && is_settled) return;
  INFO(at.text());
  CHECK(document == document_after(at));
  CHECK(after == finalizers(at));
  CHECK(is_told);
  CHECK(is_policy_right);
  CHECK(is_settled);
}

}  // namespace

TEST_CASE("a volume's step, from everywhere", "[step]") {
  int situations = 0;
  for (const char* phase : kPhases)
    for (const Reference reference : kReferences)
      for (const char* maker : kMakers)
        for (const char* policy : kPolicies)
          for (unsigned bits = 0; bits < 32; ++bits) {
            compare({.phase = phase,
                     .reference = reference,
                     .by_controller = (bits & 1) != 0,
                     .maker = maker,
                     .policy = policy,
                     .is_deleting = (bits & 2) != 0,
                     .has_in_tree = (bits & 4) != 0,
                     .has_external = (bits & 8) != 0,
                     .mode_differs = (bits & 16) != 0});
            ++situations;
          }
  CHECK(situations == 6 * 7 * 6 * 4 * 32);
}

TEST_CASE("a reference to another namespace's claim, or to none's, is not this claim's", "[step]") {
  for (const char* name_space : {"elsewhere", ""}) {
    const Situation at = {.phase = "Bound", .reference = Reference::BoundHere};
    World world = at.world();
    Volume volume = *world.volume("pv");
    volume.claim_ref->name_space = name_space;
    world.put(volume);
    const Step step = step_volume(volume, world);
    REQUIRE(step.volume);
    CHECK(step.volume->phase == VolumePhase::Released);
  }
}

TEST_CASE("an emptied provisioned-by is nobody's", "[step]") {
  const Situation at = {.phase = "Available", .policy = "Delete"};
  World world = at.world();
  Volume volume = *world.volume("pv");
  volume.metadata.annotate("pv.kubernetes.io/provisioned-by", "");
  world.put(volume);
  CHECK_FALSE(step_volume(volume, world).volume);
}

TEST_CASE("the progress of a removal is told only while there is something to remove", "[step]") {
  for (const char* phase : kPhases) {
    for (const Reference reference : {Reference::None, Reference::BoundHere, Reference::Missing}) {
      const Situation at = {.phase = phase, .reference = reference, .policy = "Delete"};
      INFO(at.text());
      World world = at.world();
      Volume volume = *world.volume("pv");
      volume.metadata.annotate("claimfs.io/reclaim", "12 files");
      world.put(volume);
      const Step step = step_volume(volume, world);
      const Volume& after = step.volume ? *step.volume : volume;
      CHECK(after.metadata.has_annotation("claimfs.io/reclaim") ==
            (reference == Reference::Missing));
    }
  }
}

}  // namespace claimfs::volumes
