#pragma once

#include <optional>
#include <span>
#include <string>

#include "volumes/claim.h"
#include "volumes/volume.h"

namespace claimfs::volumes {

enum class Binding { Immediate, WaitsForConsumer };

// Picks the volume that an unbound claim without volumeName gets, or null.
// Groups by access-mode set, fewest modes first; in the first group that has a match, a volume that
// is reserved for this claim wins, then the smallest that suffices. Equal: oldest, then lexically
// first name, so that the choice is repeatable (ours; Kubernetes leaves it open). With
// WaitsForConsumer only reserved volumes are taken: the rest is the scheduler's. Source:
// KUBERNETES.md 1.2, 1.3; rows: match/*.
const Volume* find_volume(const Claim& claim, std::span<const Volume* const> volumes,
                          Binding binding);

// Why an unreserved volume that the claim names cannot be bound to it, in Kubernetes' words;
// nothing when it can. The label selector is not looked at. Source: KUBERNETES.md 1.4; rows:
// named/*.
std::optional<std::string> mismatch(const Claim& claim, const Volume& volume);

}  // namespace claimfs::volumes
