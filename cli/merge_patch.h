#pragma once

#include "volumes/object.h"

namespace claimfs::cli {

// The JSON merge patch (RFC 7386) that makes `after` of `before`; an empty object when they are
// equal. Lists are replaced whole. Both are maps, and `after` has no nulls: such a patch cannot say
// them.
volumes::Json merge_patch_between(const volumes::Json& before, const volumes::Json& after);

}  // namespace claimfs::cli
