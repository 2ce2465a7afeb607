#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace claimfs::store {

// One prepared statement in use, its values bound. Given back to its Database when it goes; must
// not outlive it.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Whether there is a (further) row. Columns are those of the row that step() came to.
  Result<bool> step();
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  std::optional<std::string> text_if_any(int column) const;  // none for NULL

 private:
  friend class Database;
  struct Prepared {
    sqlite3_stmt* statement = nullptr;
    bool is_in_use = false;
  };
  explicit Statement(Prepared* prepared) : prepared_(prepared) {}
  void bind(int mark, std::int64_t value);
  void bind(int mark, std::uint64_t value) { bind(mark, static_cast<std::int64_t>(value)); }
  void bind(int mark, std::string_view value);
  void bind(int mark, const std::string& value) { bind(mark, std::string_view(value)); }
  void bind(int mark, const std::optional<std::string>& value);

  Prepared* prepared_;
  int bind_code_ = 0;  // the first bind that failed, told by step()
};

// One SQLite connection: WAL, every commit on the disk before it is answered. Used by one thread at
// a time.
//
// SQLite's idea of which locks the process holds is copied by fork() while the locks are not, and a
// copy that trusts it destroys the file. So a Database asserts that it is used in the process that
// opened it, a new one asserts that none was open when the process forked, and a copy is abandoned
// instead of closed.
class Database {
 public:
  // Opens the existing file at an absolute path. Errors: EINVAL when it is not a database.
  static Result<Database> open(const std::string& path);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) = delete;
  ~Database();

  // A statement, prepared once, with its `?` marks bound in order.
  template <class... Values>
  Result<Statement> query(const char* sql, const Values&... values) {
    Statement statement = TRY(prepare(sql));
    int mark = 0;
    (statement.bind(++mark, values), ...);
    return statement;
  }
  // The same where no row is wanted; returns how many rows changed.
  template <class... Values>
  Result<int> execute(const char* sql, const Values&... values) {
    Statement statement = TRY(query(sql, values...));
    while (TRY(statement.step())) {
    }
    return changed_rows();
  }
  // Several statements, without values.
  Result<void> execute_script(const char* sql);

  bool is_in_transaction() const;

 private:
  struct Handle;
  explicit Database(std::unique_ptr<Handle> handle);
  Result<Statement> prepare(const char* sql);
  int changed_rows() const;

  std::unique_ptr<Handle> handle_;
};

// What is done between begin and commit() is done wholly or, without commit(), not at all.
class Transaction {
 public:
  // Read: one snapshot for several queries. Write: the only writer of the file, from the beginning;
  // waits for others.
  enum class Kind { Read, Write };
  static Result<Transaction> begin(Database& database, Kind kind);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Result<void> commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;  // null when it has ended
};

}  // namespace claimfs::store
