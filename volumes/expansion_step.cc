#include <algorithm>

#include "volumes/lifecycle.h"
#include "volumes/provisioners.h"

namespace claimfs::volumes {
namespace {

// Volumes whose size is a promise of ours, and not of a driver somewhere else.
bool is_served(const Volume& volume) {
  if (const auto* csi = std::get_if<CsiSource>(&volume.source)) return csi->driver == kNfsCsi;
  return std::holds_alternative<HostPathSource>(volume.source) ||
         std::holds_alternative<LocalSource>(volume.source) ||
         std::holds_alternative<NfsSource>(volume.source);
}

bool class_allows(const Claim& claim, const World& world) {
  const StorageClass* storage_class =
      claim.storage_class ? find_class(world.classes(), *claim.storage_class) : nullptr;
  return storage_class && storage_class->allows_expansion;
}

}  // namespace

Step step_expansion(const Claim& claim, const World& world) {
  Step step;
  if (claim.phase != ClaimPhase::Bound || !claim.metadata.has_annotation(kBindCompleted))
    return step;
  if (!claim.status_capacity || claim.request <= *claim.status_capacity) return step;
  const Volume* volume = world.volume(claim.volume_name);
  if (!volume || !volume->claim_ref || volume->claim_ref->uid != claim.metadata.uid) return step;
  if (!is_served(*volume) || !class_allows(claim, world)) {
    step.notices = {notice(claim, Notice::Type::Normal, "ExternalExpanding",
                           "waiting for an external controller to expand this PVC")};
    step.notices.front().from = "volume_expand";
    return step;
  }
  Volume grown = *volume;
  grown.capacity = std::max(volume->capacity, claim.request);
  Claim has_it = claim;
  has_it.status_capacity = grown.capacity;
  step.notices = {
      notice(claim, Notice::Type::Normal, "VolumeResizeSuccessful", "Resize volume succeeded")};
  step.notices.front().from = "volume_expand";
  if (!grown.is_written_as(*volume)) step.volume = std::move(grown);
  step.claim = std::move(has_it);
  return step;
}

}  // namespace claimfs::volumes
