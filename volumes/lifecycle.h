#pragma once

#include <optional>
#include <string>
#include <vector>

#include "volumes/claim.h"
#include "volumes/volume.h"
#include "volumes/world.h"

namespace claimfs::volumes {

// An event to be recorded. The recorder folds repetitions into one with a count.
struct Notice {
  enum class Type { Normal, Warning };
  ObjectKey about;
  std::string uid;
  Type type = Type::Normal;
  std::string reason;
  std::string message;

  bool operator==(const Notice&) const = default;
};

// What one look at one object decides: the volume as it should be (to be written first), the claim
// as it should be, and what to tell. Nothing where nothing changes, so that steps can be taken
// again from any state a crash left.
struct Step {
  std::optional<Volume> volume;
  std::optional<Claim> claim;
  std::vector<Notice> notices;
};

// Source: KUBERNETES.md 1.1 to 1.7, 2.3 to 2.5; rows: claim/*.
Step step_claim(const Claim& claim, const World& world);

// Source: KUBERNETES.md 2.2; rows: volume/*. Reclaim of a released volume is not decided here.
Step step_volume(const Volume& volume, const World& world);

// Whether the finalizer that protects an object in use should go (its deletion was asked for and
// nobody uses it). Source: KUBERNETES.md 4.1, 4.2.
bool protection_ends(const Claim& claim, const World& world);
bool protection_ends(const Volume& volume);

}  // namespace claimfs::volumes
