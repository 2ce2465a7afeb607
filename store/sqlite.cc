#include "store/sqlite.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cassert>
#include <utility>

#include "base/guarded.h"

namespace claimfs::store {
namespace {

// How long a writer waits for the writers before it. A commit takes milliseconds; this is a disk
// that hangs.
constexpr int kBusyTimeoutMs = 30'000;

int errno_of(int code, sqlite3* connection) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ETIMEDOUT;
    case SQLITE_FULL:
      return ENOSPC;
    case SQLITE_READONLY:
      return EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return EACCES;
    case SQLITE_NOMEM:
      return ENOMEM;
    case SQLITE_TOOBIG:
      return EFBIG;
    case SQLITE_NOTADB:
      return EINVAL;
    case SQLITE_CANTOPEN: {
      const int system_code = connection ? sqlite3_system_errno(connection) : 0;
      return system_code ? system_code : EIO;
    }
    default:
      return EIO;
  }
}

tl::unexpected<Error> failure_of(int code, sqlite3* connection) {
  const char* path = connection ? sqlite3_db_filename(connection, "main") : nullptr;
  std::string what = "store '" + std::string(path ? path : "") + "'";
  if ((code & 0xff) == SQLITE_NOTADB) {
    what += " is not an SQLite database";
  } else if (code != SQLITE_OK) {
    what += ": " + std::string(connection ? sqlite3_errmsg(connection) : sqlite3_errstr(code));
  }
  return failure(errno_of(code, connection), std::move(what));
}

// The connections of this process. One for the process because what it guards against, SQLite's own
// list of files and locks, is one for the process.
struct OpenConnections {
  pid_t process = 0;
  int count = 0;
};
Guarded<OpenConnections>& open_connections() {
  static Guarded<OpenConnections> connections;
  return connections;
}

}  // namespace

struct Database::Handle {
  sqlite3* connection = nullptr;
  pid_t process = ::getpid();
  std::map<const char*, Statement::Prepared> statements;  // by address: every text is a literal

  Handle() {
    open_connections().with([&](OpenConnections& open) {
      assert((open.count == 0 || open.process == process) &&
             "the process forked while a store was open");
      open.process = process;
      ++open.count;
    });
  }
  ~Handle() {
    if (process != ::getpid()) return;
    for (auto& [sql, prepared] : statements) {
      assert(!prepared.is_in_use);
      sqlite3_finalize(prepared.statement);
    }
    sqlite3_close(connection);
    open_connections().with([](OpenConnections& open) { --open.count; });
  }
};

Statement::Statement(Statement&& other) noexcept
    : prepared_(std::exchange(other.prepared_, nullptr)), bind_code_(other.bind_code_) {}

Statement::~Statement() {
  if (!prepared_) return;
  sqlite3_reset(prepared_->statement);
  sqlite3_clear_bindings(prepared_->statement);
  prepared_->is_in_use = false;
}

Result<bool> Statement::step() {
  sqlite3* connection = sqlite3_db_handle(prepared_->statement);
  if (bind_code_ != SQLITE_OK) return failure_of(bind_code_, connection);
  switch (const int code = sqlite3_step(prepared_->statement)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return failure_of(code, connection);
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(prepared_->statement, column);
}

std::string Statement::text(int column) const {
  return text_if_any(column).value_or(std::string());
}

std::optional<std::string> Statement::text_if_any(int column) const {
  const unsigned char* bytes = sqlite3_column_text(prepared_->statement, column);
  if (!bytes) return std::nullopt;
  const int size = sqlite3_column_bytes(prepared_->statement, column);
  return std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

void Statement::bind(int mark, std::int64_t value) {
  const int code = sqlite3_bind_int64(prepared_->statement, mark, value);
  if (bind_code_ == SQLITE_OK) bind_code_ = code;
}

void Statement::bind(int mark, std::string_view value) {
  const int code = sqlite3_bind_text64(prepared_->statement, mark, value.data(), value.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (bind_code_ == SQLITE_OK) bind_code_ = code;
}

void Statement::bind(int mark, const std::optional<std::string>& value) {
  if (value) bind(mark, std::string_view(*value));  // an unbound mark is NULL
}

Database::Database(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Database::Database(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path) {
  auto handle = std::make_unique<Handle>();
  // No mutex inside: whoever owns a Database sees to it that one thread at a time uses it.
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle->connection, kFlags, nullptr);
  if (code != SQLITE_OK) {
    return failure(errno_of(code, handle->connection),
                   "store '" + path + "': " + sqlite3_errstr(code));
  }
  sqlite3_busy_timeout(handle->connection, kBusyTimeoutMs);
  Database database(std::move(handle));
  {
    Statement mode = TRY(database.query("PRAGMA journal_mode = WAL"));
    if (!TRY(mode.step()) || mode.text(0) != "wal") {
      return failure(
          ENOTSUP, "store '" + path + "' needs a local disk: no write-ahead log can be kept here");
    }
  }
  TRY_VOID(database.execute_script("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF"));
  return database;
}

Result<Statement> Database::prepare(const char* sql) {
  assert(handle_->process == ::getpid() && "a store is used in the process that opened it");
  Statement::Prepared& prepared = handle_->statements[sql];
  if (!prepared.statement) {
    const int code = sqlite3_prepare_v3(handle_->connection, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                        &prepared.statement, nullptr);
    if (code != SQLITE_OK) return failure_of(code, handle_->connection);
  }
  assert(!prepared.is_in_use);
  prepared.is_in_use = true;
  return Statement(&prepared);
}

Result<void> Database::execute_script(const char* sql) {
  assert(handle_->process == ::getpid() && "a store is used in the process that opened it");
  const int code = sqlite3_exec(handle_->connection, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure_of(code, handle_->connection);
  return {};
}

int Database::changed_rows() const { return sqlite3_changes(handle_->connection); }

bool Database::is_in_transaction() const {
  return sqlite3_get_autocommit(handle_->connection) == 0;
}

Result<Transaction> Transaction::begin(Database& database, Kind kind) {
  // A deferred writer could find, when it first writes, that its snapshot is old, and would have to
  // begin again.
  if (kind == Kind::Write) {
    TRY_VOID(database.execute("BEGIN IMMEDIATE"));
  } else {
    TRY_VOID(database.execute("BEGIN"));
  }
  return Transaction(&database);
}

Transaction::~Transaction() {
  // A full disk ends a transaction by itself.
  if (database_ && database_->is_in_transaction()) (void)database_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
  TRY_VOID(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace claimfs::store
