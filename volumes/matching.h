#pragma once

#include <optional>
#include <set>
#include <string>

#include "volumes/world.h"

namespace claimfs::volumes {

enum class Binding { Immediate, WaitsForConsumer };

// Picks the volume that an unbound claim without volumeName gets, or null.
// Groups by access-mode set, fewest modes first; in the first group that has a match, a volume that
// is reserved for this claim wins, then the smallest that suffices. Equal: oldest, then lexically
// first name, so that the choice is repeatable (ours; Kubernetes leaves it open). With
// WaitsForConsumer only reserved volumes are taken: the rest is the scheduler's. Costs the
// logarithm of the volumes' number, a selector that many volumes fail apart. Source: KUBERNETES.md
// 1.2, 1.3; rows: match/*.
const Volume* find_volume(const Claim& claim, const World& world, Binding binding);

// Where a consumer runs.
struct Node {
  std::string name;
  StringMap labels;
};

// The same for a claim whose first consumer runs on `node`: volumes that the node cannot reach and
// those in `taken` are left out; a reserved one that it cannot reach leaves the claim without.
// Source: KUBERNETES.md 1.3.12, 1.8; rows: consumer/*.
const Volume* find_volume(const Claim& claim, const World& world, const Node& node,
                          const std::set<std::string>& taken);

// Why an unreserved volume that the claim names cannot be bound to it, in Kubernetes' words;
// nothing when it can. The label selector is not looked at. Source: KUBERNETES.md 1.4; rows:
// named/*.
std::optional<std::string> mismatch(const Claim& claim, const Volume& volume);

}  // namespace claimfs::volumes
