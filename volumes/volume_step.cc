#include "volumes/lifecycle.h"

namespace claimfs::volumes {
namespace {

Step to_phase(const Volume& volume, VolumePhase phase) {
  if (volume.phase == phase) return {};
  Volume changed = volume;
  changed.phase = phase;
  changed.message.clear();
  return {.volume = std::move(changed), .claim = {}, .notices = {}};
}

Step released(const Volume& volume) {
  if (volume.phase == VolumePhase::Failed) return {};
  return to_phase(volume, VolumePhase::Released);
}

// Another volume got the claim: this one is free again, or keeps the reservation that its user gave
// it.
Step unbound(const Volume& volume) {
  Volume changed = volume;
  if (volume.metadata.has_annotation(kBoundByController)) {
    changed.claim_ref.reset();
    changed.metadata.drop_annotation(kBoundByController);
  } else {
    changed.claim_ref->uid.clear();
  }
  if (volume.phase != VolumePhase::Available) changed.message.clear();
  changed.phase = VolumePhase::Available;
  return {.volume = std::move(changed), .claim = {}, .notices = {}};
}

Step mode_mismatch(const Volume& volume, const Claim& claim) {
  return {
      .volume = {},
      .claim = {},
      .notices = {
          {.about = {Kind::PersistentVolume, "", volume.metadata.name},
           .uid = volume.metadata.uid,
           .type = Notice::Type::Warning,
           .reason = "VolumeMismatch",
           .message = "Cannot bind PersistentVolume to requested PersistentVolumeClaim \"" +
                      claim.metadata.name + "\" due to incompatible volumeMode."},
          {.about = {Kind::PersistentVolumeClaim, claim.metadata.name_space, claim.metadata.name},
           .uid = claim.metadata.uid,
           .type = Notice::Type::Warning,
           .reason = "VolumeMismatch",
           .message = "Cannot bind PersistentVolume \"" + volume.metadata.name +
                      "\" to requested PersistentVolumeClaim due to incompatible volumeMode."}}};
}

}  // namespace

Step step_volume(const Volume& volume, const World& world) {
  if (!volume.claim_ref || volume.claim_ref->uid.empty())
    return to_phase(volume, VolumePhase::Available);

  const Claim* claim = world.claim(volume.claim_ref->name_space, volume.claim_ref->name);
  if (!claim || claim->metadata.uid != volume.claim_ref->uid) return released(volume);
  if (claim->volume_name.empty()) {
    // The claim's own step completes the binding.
    return claim->mode == volume.mode ? Step{} : mode_mismatch(volume, *claim);
  }
  if (claim->volume_name == volume.metadata.name) return to_phase(volume, VolumePhase::Bound);
  if (volume.metadata.has_annotation(kProvisionedBy) &&
      volume.reclaim_policy == ReclaimPolicy::Delete) {
    return released(volume);
  }
  return unbound(volume);
}

bool protection_ends(const Volume& volume) {
  return volume.metadata.is_deleting() && volume.metadata.has_finalizer(kVolumeProtection) &&
         volume.phase != VolumePhase::Bound;
}

}  // namespace claimfs::volumes
