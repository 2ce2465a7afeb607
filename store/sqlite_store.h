#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "store/store.h"

namespace claimfs::store {

struct SqliteOptions {
  Version kept_changes = 10'000;               // a watch that is further behind must list again
  std::chrono::milliseconds slow_look{1'000};  // how late a watch may be when no one rang
};

// The store in one SQLite file, for the processes of one host. Makes the directory (0700) and the
// file (0600). The process must not fork while it has a store, a watch or a lease open: fork first,
// then open (fork and exec is harmless). Every use in another process than the one that opened it
// is stopped by an assert. A lease lives as long as its process, and may outlive the store object
// that granted it; so may a watch. Errors: EINVAL not a database, or somebody else's; ENOTSUP
// written by a newer claimfs, or no local disk.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& database_path);
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& database_path,
                                                 const SqliteOptions& options);

}  // namespace claimfs::store
