#pragma once

#include "volumes/object.h"

namespace claimfs::control {

// kubectl's client-side apply: what the last applied document had and the desired one has not is
// taken away, what the desired one has is set, all else of the current document (what controllers
// wrote) stays. Lists are replaced whole.
volumes::Json three_way_merge(const volumes::Json& last_applied, const volumes::Json& desired,
                              const volumes::Json& current);

// The object with the annotation by which a later apply knows what this one said.
volumes::Object with_last_applied(volumes::Object desired);

}  // namespace claimfs::control
