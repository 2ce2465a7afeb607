#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace claimfs::store {

// The files of one store, all beside its database and named after it. Absolute: a daemon changes
// its directory.
struct StateFiles {
  std::string database;
  std::string doorbell;  // touched after every commit
  std::string sessions;  // directory with one locked file for each live session

  std::string session(const std::string& id) const { return sessions + "/" + id; }
};

// Makes what is missing of the directory (0700) and the files (0600), the database empty. A
// database that is there loses the rights of group and others; a directory that is there keeps its
// mode, it may be somebody else's too.
Result<StateFiles> create_state_files(const std::string& database_path);

// Lets one opener at a time through, of all processes, until the descriptor is closed.
Result<Fd> lock_for_opening(const StateFiles& files);

}  // namespace claimfs::store
