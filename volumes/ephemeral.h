#pragma once

#include <vector>

#include "volumes/notice.h"
#include "volumes/world.h"

namespace claimfs::volumes {

// What a pod's generic ephemeral volumes need: claims to be created, and what to tell where a claim
// of that name is somebody else's.
struct EphemeralStep {
  std::vector<Object> claims;
  std::vector<Notice> notices;
};

// Source: Kubernetes' ephemeral volume controller (KUBERNETES.md 4.1); rows: ephemeral/*.
EphemeralStep step_ephemeral(const Pod& pod, const World& world);

// Whether the claim lived as long as a pod, and that pod is gone: it is to be deleted.
bool is_orphan(const Claim& claim, const World& world);

}  // namespace claimfs::volumes
