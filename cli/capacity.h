#pragma once

#include "backends/capacity.h"
#include "config/config.h"
#include "control/bound_claims.h"
#include "control/event_recorder.h"
#include "fs/served_volume.h"
#include "store/store.h"

namespace claimfs::cli {

// Decides how the volumes of a mount are kept within their capacity, by `capacity.enforcement`.
// What it is made of outlives it and the volumes.
class CapacityRules {
 public:
  CapacityRules(store::Store& store, const store::Lease& lease, control::EventRecorder& events,
                config::CapacityEnforcement wanted)
      : store_(store), lease_(lease), events_(events), wanted_(wanted) {}

  // For one volume that is about to be served.
  backends::CapacityOptions options_for(const control::BoundClaim& bound,
                                        const fs::ServedClaim& claim) const;

 private:
  store::Store& store_;
  const store::Lease& lease_;
  control::EventRecorder& events_;
  const config::CapacityEnforcement wanted_;
};

}  // namespace claimfs::cli
