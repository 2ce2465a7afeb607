#pragma once

#include <optional>
#include <vector>

#include "volumes/claim.h"
#include "volumes/notice.h"
#include "volumes/volume.h"
#include "volumes/world.h"

namespace claimfs::volumes {

// What one look at one object decides: the volume as it should be (to be written first), the claim
// as it should be, and what to tell. Nothing where nothing changes, so that steps can be taken
// again from any state a crash left.
struct Step {
  std::optional<Volume> volume;
  std::optional<Claim> claim;
  std::vector<Notice> notices;
};

// Source: KUBERNETES.md 1.1 to 1.7, 2.3 to 2.5, 7.1; rows: claim/*.
Step step_claim(const Claim& claim, const World& world);

// A bound claim that asks for more than it has: given at once where its class allows it, and the
// volume is one that we serve. Source: KUBERNETES.md 9; rows: expansion/*.
Step step_expansion(const Claim& claim, const World& world);

// The volume's phase and finalizers. Source: KUBERNETES.md 2.2, 3.5; rows: volume/*. What is done
// with a released volume: reclaim.h.
Step step_volume(const Volume& volume, const World& world);

// Whether the volume's claim is gone, or has another volume: the reclaim policy applies. Source:
// KUBERNETES.md 3.
bool is_released(const Volume& volume, const World& world);

// Whether the finalizer that protects a claim in use should go: its deletion was asked for and
// nobody uses it. Source: KUBERNETES.md 4.1; an Attachment is a use, too, and every live mount has
// to say that it has let go of the claim (DESIGN.md 6).
bool protection_ends(const Claim& claim, const World& world);

// The volume as it is when nothing of its claim is left in it: free again, or kept for the claim's
// name where its user had reserved it. Source: KUBERNETES.md 2.2, 3.3.6.
Volume unbound(const Volume& volume);

}  // namespace claimfs::volumes
