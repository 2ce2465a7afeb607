#pragma once

#include <string>
#include <vector>

#include "store/sqlite.h"
#include "store/store.h"

namespace claimfs::store {

// The bounded log of changes, through one connection. Versions count up by one for each change, and
// since they are given inside write transactions, they become visible in their order.
class History {
 public:
  explicit History(Version kept_changes) : kept_changes_(kept_changes) {}

  Result<Version> newest(Database& database) const;

  // Adds the change `version`, which is newest() + 1, and forgets the one that is now too old.
  // Removed: `document` is the object as it last was.
  Result<void> record(Database& database, Version version, Change::Type type, volumes::Kind kind,
                      const std::string& document) const;

  // The changes after `from` in order, at most kBatch. One Relist, at the newest version, when
  // `from` is older than what is kept or from another history. Inside a transaction.
  Result<std::vector<Change>> after(Database& database, Version from) const;
  static constexpr std::uint64_t kBatch = 500;

 private:
  Version kept_changes_;
};

// The object of a stored document; EIO when it does not parse.
Result<volumes::Object> parse_object(volumes::Kind kind, const std::string& document);

}  // namespace claimfs::store
