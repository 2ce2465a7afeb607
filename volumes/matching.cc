#include "volumes/matching.h"

#include <tuple>

namespace claimfs::volumes {
namespace {

std::string class_of(const Claim& claim) { return claim.storage_class.value_or(""); }

// What even a volume that is reserved for the claim must have.
bool suffices(const Claim& claim, const Volume& volume) {
  return volume.access_modes.includes(claim.access_modes) && volume.capacity >= claim.request &&
         volume.mode == claim.mode && volume.attributes_class == claim.attributes_class &&
         !volume.metadata.is_deleting();
}

bool is_free_for(const Claim& claim, const Volume& volume) {
  return volume.phase == VolumePhase::Available &&
         (!claim.selector || claim.selector->matches(volume.metadata.labels)) &&
         volume.storage_class == class_of(claim);
}

// Less is better.
auto rank(const Volume& volume, bool is_reserved) {
  return std::make_tuple(volume.access_modes.count(), volume.access_modes.canonical(), !is_reserved,
                         is_reserved ? Quantity() : volume.capacity, volume.metadata.created,
                         volume.metadata.name);
}

}  // namespace

const Volume* find_volume(const Claim& claim, std::span<const Volume* const> volumes,
                          Binding binding) {
  const Volume* best = nullptr;
  bool best_is_reserved = false;
  for (const Volume* volume : volumes) {
    const bool is_reserved = volume->refers_to(claim.metadata);
    if (volume->claim_ref && !is_reserved) continue;
    if (!suffices(claim, *volume)) continue;
    if (!is_reserved && (binding == Binding::WaitsForConsumer || !is_free_for(claim, *volume)))
      continue;
    if (best && rank(*best, best_is_reserved) <= rank(*volume, is_reserved)) continue;
    best = volume;
    best_is_reserved = is_reserved;
  }
  return best;
}

std::optional<std::string> mismatch(const Claim& claim, const Volume& volume) {
  if (volume.metadata.is_deleting())
    return "the volume is marked for deletion \"" + volume.metadata.name + "\"";
  if (volume.capacity.bytes() < claim.request.bytes()) return "requested PV is too small";
  if (volume.storage_class != class_of(claim)) return "storageClassName does not match";
  if (volume.attributes_class != claim.attributes_class)
    return "volumeAttributesClassName does not match";
  if (volume.mode != claim.mode) return "incompatible volumeMode";
  if (!volume.access_modes.includes(claim.access_modes)) return "incompatible accessMode";
  return std::nullopt;
}

}  // namespace claimfs::volumes
