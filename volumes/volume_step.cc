#include "volumes/lifecycle.h"
#include "volumes/provisioners.h"
#include "volumes/reclaim.h"

namespace claimfs::volumes {
namespace {

void to_phase(Volume& volume, VolumePhase phase) {
  if (volume.phase == phase) return;
  volume.phase = phase;
  volume.message.clear();
}

std::vector<Notice> mode_mismatch(const Volume& volume, const Claim& claim) {
  const std::string why = " due to incompatible volumeMode.";
  return {notice(volume, Notice::Type::Warning, "VolumeMismatch",
                 "Cannot bind PersistentVolume to requested PersistentVolumeClaim " +
                     in_quotes(claim.metadata.name) + why),
          notice(claim, Notice::Type::Warning, "VolumeMismatch",
                 "Cannot bind PersistentVolume " + in_quotes(volume.metadata.name) +
                     " to requested PersistentVolumeClaim" + why)};
}

const Claim* claim_of(const Volume& volume, const World& world) {
  const Claim* claim = world.claim(volume.claim_ref->name_space, volume.claim_ref->name);
  return claim && claim->metadata.uid == volume.claim_ref->uid ? claim : nullptr;
}

// The claim has taken another volume, and this one was made for it alone.
bool is_left_over(const Volume& volume) {
  return volume.metadata.has_annotation(kProvisionedBy) &&
         volume.reclaim_policy == ReclaimPolicy::Delete;
}

// 3.5: who made a volume keeps it until its storage is gone. A finalizer cannot be added any more
// once the deletion was asked for.
void keep_deletion_finalizers(Volume& volume) {
  const auto made_by = volume.metadata.annotations.find(kProvisionedBy);
  if (made_by == volume.metadata.annotations.end()) return;
  const bool wanted = volume.reclaim_policy == ReclaimPolicy::Delete;
  const auto keep = [&](std::string_view finalizer) {
    if (!wanted || !volume.metadata.is_deleting())
      volume.metadata.keep_finalizer(finalizer, wanted);
  };
  if (made_by->second.starts_with(kInTreePrefix)) {
    volume.metadata.drop_finalizer(kExternalDeletion);
    keep(kInTreeDeletion);
  } else if (is_ours(made_by->second)) {
    keep(kExternalDeletion);
  }
}

}  // namespace

Volume unbound(const Volume& volume) {
  Volume changed = volume;
  if (volume.metadata.has_annotation(kBoundByController)) {
    changed.claim_ref.reset();
    changed.metadata.drop_annotation(kBoundByController);
  } else {
    changed.claim_ref->uid.clear();
  }
  to_phase(changed, VolumePhase::Available);
  return changed;
}

Step step_volume(const Volume& volume, const World& world) {
  Step step;
  Volume changed = volume;
  if (!volume.claim_ref || volume.claim_ref->uid.empty()) {
    to_phase(changed, VolumePhase::Available);
  } else if (const Claim* claim = claim_of(volume, world); !claim) {
    if (volume.phase != VolumePhase::Failed) to_phase(changed, VolumePhase::Released);
  } else if (claim->volume_name.empty()) {
    // The claim's own step completes the binding.
    if (claim->mode != volume.mode) step.notices = mode_mismatch(volume, *claim);
  } else if (claim->volume_name == volume.metadata.name) {
    to_phase(changed, VolumePhase::Bound);
  } else if (is_left_over(volume)) {
    if (volume.phase != VolumePhase::Failed) to_phase(changed, VolumePhase::Released);
  } else {
    changed = unbound(volume);
  }
  keep_deletion_finalizers(changed);
  if (changed.phase != VolumePhase::Released && changed.phase != VolumePhase::Failed)
    changed.metadata.drop_annotation(kReclaimProgress);
  if (!changed.is_written_as(volume)) step.volume = std::move(changed);
  return step;
}

bool is_released(const Volume& volume, const World& world) {
  if (!volume.claim_ref || volume.claim_ref->uid.empty()) return false;
  const Claim* claim = claim_of(volume, world);
  if (!claim) return true;
  return !claim->volume_name.empty() && claim->volume_name != volume.metadata.name &&
         is_left_over(volume);
}

}  // namespace claimfs::volumes
