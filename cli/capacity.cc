#include "cli/capacity.h"

#include <spdlog/spdlog.h>

#include "control/volume_bound.h"

namespace claimfs::cli {

using config::CapacityEnforcement;

backends::CapacityOptions CapacityRules::options_for(const control::BoundClaim& bound,
                                                     const fs::ServedClaim& claim) const {
  backends::CapacityOptions options{.bytes = claim.capacity_bytes};
  // Who cannot write needs no limit, and a Block volume's is its size.
  if (wanted_ == CapacityEnforcement::None || claim.is_read_only || claim.is_block ||
      claim.capacity_bytes == 0)
    return options;
  options.may_use_quota = wanted_ != CapacityEnforcement::Accounting;
  if (wanted_ != CapacityEnforcement::Quota)
    options.bound = control::make_volume_bound(store_, lease_, bound.volume.metadata.name,
                                               bound.volume.metadata.uid);
  options.report_full = [&events = events_, claim] {
    spdlog::warn("volume=full claim={}/{} volume={}", claim.name_space, claim.name,
                 claim.volume_name);
    events.record(
        {.about = {volumes::Kind::PersistentVolumeClaim, claim.name_space, claim.name},
         .uid = claim.uid,
         .type = volumes::Notice::Type::Warning,
         .reason = "VolumeFull",
         .message = "volume \"" + claim.volume_name +
                    "\" holds as much as its claim's capacity allows: writing fails with \"No "
                    "space left on device\" until files are removed or the claim grows"});
  };
  return options;
}

}  // namespace claimfs::cli
