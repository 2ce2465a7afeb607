#pragma once

#include "tests/unit/catch.h"
#include "volumes/reclaim.h"

namespace claimfs::volumes::testing {

// Volumes whose claim is gone, and what is decided about them.

using Lines = std::vector<std::string>;
using Action = ReclaimWork::Action;

inline constexpr const char* kOurs = "external-provisioner.volume.kubernetes.io/finalizer";
inline constexpr const char* kInTree = "kubernetes.io/pv-controller";
inline const std::vector<std::string> kRoots = {"/tmp"};

// A released volume of a claim that is gone.
inline Json released(const char* policy, const Json& source, const Json& changes = nullptr) {
  Json document = {
      {"metadata", {{"name", "pv"}, {"finalizers", {"kubernetes.io/pv-protection"}}}},
      {"spec",
       {{"capacity", {{"storage", "1Gi"}}},
        {"persistentVolumeReclaimPolicy", policy},
        {"claimRef", {{"namespace", "default"}, {"name", "data"}, {"uid", "claim-uid"}}}}},
      {"status", {{"phase", "Released"}}}};
  document["spec"].merge_patch(source);
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

inline Json host(const std::string& path) { return {{"hostPath", {{"path", path}}}}; }
inline const Json kNfs = {{"nfs", {{"server", "s"}, {"path", "/export/data"}}}};
inline const Json kLocal = {{"local", {{"path", "/tmp/data"}}}};
inline const Json kCsi = {{"csi", {{"driver", "x.io"}, {"volumeHandle", "h"}}}};
inline const Json kDisk = {{"gcePersistentDisk", {{"pdName", "d"}}}};

inline Json made_by(const char* provisioner, const Json& annotations = nullptr) {
  Json all = {{"pv.kubernetes.io/provisioned-by", provisioner}};
  if (!annotations.is_null()) all.merge_patch(annotations);
  return {{"metadata", {{"annotations", all}}}};
}
inline Json phase(const char* word) { return {{"status", {{"phase", word}}}}; }
inline Json merged(Json left, const Json& right) {
  left.merge_patch(right);
  return left;
}

inline Volume volume(const Json& document) {
  return Volume::from({Kind::PersistentVolume, document});
}

inline Lines told(const Step& step) {
  Lines lines;
  for (const Notice& each : step.notices) {
    lines.push_back((each.type == Notice::Type::Warning ? "Warning " : "Normal ") + each.reason +
                    ": " + each.message);
  }
  return lines;
}

// What is to be done, in a word; a refusal, as it is told; "" for nothing at all.
inline std::string decided(const Json& document, const World& world = {},
                           const std::vector<std::string>& roots = kRoots) {
  const Volume it = volume(document);
  const Reclaim reclaim = decide_reclaim(it, world, roots);
  CHECK_FALSE(reclaim.step.claim);
  if (reclaim.work) {
    CHECK_FALSE(reclaim.step.volume);
    CHECK(reclaim.step.notices.empty());
    switch (reclaim.work->action) {
      case Action::Delete:
        return "delete " + reclaim.work->path();
      case Action::Archive:
        return "archive " + reclaim.work->path();
      case Action::Keep:
        return "keep";
      case Action::Recycle:
        return "recycle within " + std::to_string(reclaim.work->deadline.count());
    }
  }
  if (reclaim.step.notices.empty()) {
    CHECK_FALSE(reclaim.step.volume);
    return "";
  }
  REQUIRE(reclaim.step.notices.size() == 1);
  const Notice& notice = reclaim.step.notices.front();
  if (!reclaim.step.volume) return told(reclaim.step).front();
  // 2.2: the phase says why, in the same words.
  CHECK(reclaim.step.volume->phase == VolumePhase::Failed);
  CHECK(reclaim.step.volume->message == notice.message);
  CHECK(notice.type == Notice::Type::Warning);
  return "Failed " + notice.reason + ": " + notice.message;
}

inline Json pod(const char* name, const Json& changes = nullptr) {
  Json document = {
      {"metadata", {{"name", name}, {"namespace", "default"}}},
      {"spec",
       {{"volumes",
         Json::array({{{"name", "v"}, {"persistentVolumeClaim", {{"claimName", "data"}}}}})}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

inline World world_of(const std::vector<Json>& pods, const char* claim_uid = nullptr) {
  World world;
  for (const Json& each : pods) world.put(Pod::from({Kind::Pod, each}));
  if (claim_uid) {
    world.put(Claim::from(
        {Kind::PersistentVolumeClaim,
         {{"metadata", {{"name", "data"}, {"namespace", "default"}, {"uid", claim_uid}}}}}));
  }
  return world;
}

inline const std::string kNoDeleter =
    "Failed VolumeFailedDelete: error getting deleter volume plugin for volume \"pv\": ";

}  // namespace claimfs::volumes::testing
