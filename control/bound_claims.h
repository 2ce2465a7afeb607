#pragma once

#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/attachments.h"
#include "control/dead_mounts.h"
#include "control/first_consumers.h"
#include "control/mirror.h"
#include "control/releases.h"

namespace claimfs::control {

// A claim and the volume it is bound to, each naming the other.
struct BoundClaim {
  volumes::Claim claim;
  volumes::Volume volume;
  // Uids of pods that have asked for it read-only.
  std::set<std::string> read_only_pods;
};

std::vector<BoundClaim> bound_claims(const volumes::World& world);

// What one mount does with the claims, all on one thread.
struct MountDuties {
  // Called with all bound claims, at first and after every change of them.
  std::function<void(std::vector<BoundClaim>)> show;
  FirstConsumers& consumers;
  Attachments& attachments;
  Releases& releases;
  UnmountDead unmount_dead;
  // A mount's daemon has died, or has ended: where it died, requests may wait for it for ever.
  std::function<void(const volumes::MountRecord&)> abort_dead = {};
  // Errors of the store are told and tried again; what was shown last stays.
  std::function<void(const Error&)> report;
};

// Does them until it is asked to stop.
void follow_bound_claims(store::Store& store, std::stop_token stop, const MountDuties& duties);

}  // namespace claimfs::control
