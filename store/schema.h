#pragma once

#include <string>

#include "base/result.h"
#include "store/sqlite.h"

namespace claimfs::store {

// Makes the tables in an empty database. Refuses one that a newer claimfs wrote (ENOTSUP) and one
// that is not ours (EINVAL). One opener at a time.
Result<void> prepare_schema(Database& database, const std::string& path);

}  // namespace claimfs::store
