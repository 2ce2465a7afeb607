#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "control/first_consumers.h"
#include "control/mirror.h"

namespace claimfs::control {

// A claim and the volume it is bound to, each naming the other.
struct BoundClaim {
  volumes::Claim claim;
  volumes::Volume volume;
};

std::vector<BoundClaim> bound_claims(const volumes::World& world);

// Calls `show` with all bound claims, at first and after every change, until it is asked to stop;
// `consumers` look for work as often. Errors of the store are told to `report` and tried again;
// what was shown last stays.
void follow_bound_claims(store::Store& store, std::stop_token stop, FirstConsumers& consumers,
                         const std::function<void(std::vector<BoundClaim>)>& show,
                         const std::function<void(const Error&)>& report);

}  // namespace claimfs::control
