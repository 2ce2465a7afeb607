#include "store/schema.h"

namespace claimfs::store {
namespace {

constexpr std::int64_t kSchemaVersion = 1;

// `kind` is the kind's name, not a number: numbers would tie the file to the order of an enum.
// `changes` is never emptied, only shortened from its old end: its newest version is the store's.
constexpr const char* kSchema = R"(
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    process INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE objects (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    session TEXT,
    PRIMARY KEY (kind, namespace, name)
  ) STRICT;
  CREATE INDEX objects_of_session ON objects (session) WHERE session IS NOT NULL;
  CREATE TABLE changes (
    version INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    document TEXT NOT NULL
  ) STRICT;
  CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    holder TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = 1;
)";

Result<std::int64_t> number(Database& database, const char* sql) {
  Statement statement = TRY(database.query(sql));
  TRY_VOID(statement.step());
  return statement.integer(0);
}

}  // namespace

Result<void> prepare_schema(Database& database, const std::string& path) {
  const std::int64_t version = TRY(number(database, "PRAGMA user_version"));
  if (version == kSchemaVersion) return {};
  if (version > kSchemaVersion) {
    return failure(ENOTSUP, "store '" + path + "' has schema " + std::to_string(version) +
                                ", which a newer claimfs wrote; this one knows schema " +
                                std::to_string(kSchemaVersion));
  }
  if (version < 0 || TRY(number(database, "SELECT count(*) FROM sqlite_schema")) != 0) {
    return failure(EINVAL, "store '" + path + "' is an SQLite database, but not one of claimfs");
  }
  Transaction transaction = TRY(Transaction::begin(database, Transaction::Kind::Write));
  TRY_VOID(database.execute_script(kSchema));
  return transaction.commit();
}

}  // namespace claimfs::store
