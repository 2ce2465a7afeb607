#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backends/shared_bound.h"
#include "store/store.h"

namespace claimfs::control {

// A volume's bound in the store: the VolumeUsage of the volume's name, with the volume's uid in it
// (one of another uid is another volume's, and replaced) and the mounts that write. Each of these
// holds a name in the store for as long as its daemon lives, by which the others know. `lease` and
// `store` outlive it.
std::unique_ptr<backends::SharedBound> make_volume_bound(store::Store& store,
                                                         const store::Lease& lease,
                                                         std::string volume,
                                                         std::string volume_uid);

// Removes the usages of volumes that are no more. `volumes` says whether there is one of that name
// and uid.
Result<void> remove_stray_usages(
    store::Store& store,
    const std::function<bool(const std::string& name, const std::string& uid)>& is_there);

}  // namespace claimfs::control
