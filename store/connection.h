#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "store/doorbell.h"
#include "store/history.h"
#include "store/sqlite.h"
#include "store/state_files.h"
#include "store/store.h"

namespace claimfs::store {

// An object's row.
struct StoredObject {
  Version version = 0;
  std::string document;
};

// What the store and each of its watches do the same way, over one connection: objects with their
// history, and sessions with what hangs on them. Used by one thread at a time.
class Connection {
 public:
  static Result<Connection> open(const StateFiles& files, Version kept_changes);

  Database& database() { return database_; }
  const History& history() const { return history_; }
  const StateFiles& files() const { return files_; }

  // Runs `look`, a callable that returns a Result, against one snapshot.
  template <class Look>
  std::invoke_result_t<Look> read(Look&& look) {
    Transaction transaction = TRY(Transaction::begin(database_, Transaction::Kind::Read));
    return std::forward<Look>(look)();
  }

  // Runs `change` as the only writer. Its success is kept, and told to the watches; its failure
  // leaves nothing.
  template <class Write>
  std::invoke_result_t<Write> write(Write&& change) {
    Transaction transaction = TRY(Transaction::begin(database_, Transaction::Kind::Write));
    has_recorded_ = false;
    auto result = std::forward<Write>(change)();
    if (!result) return result;
    TRY_VOID(transaction.commit());
    if (has_recorded_) ring_doorbell(files_);
    return result;
  }

  Result<std::optional<StoredObject>> find(const volumes::ObjectKey& key);
  Result<std::optional<Version>> version_of(const volumes::ObjectKey& key);

  // Inside write(): stores the object at the next version, returned in its
  // metadata.resourceVersion. `session` matters for a new object only: one that is there keeps its
  // own.
  Result<volumes::Object> store(volumes::Object object, const std::optional<std::string>& session);
  Result<void> store_in_place(volumes::Object& object, const std::optional<std::string>& session);
  // Inside write().
  Result<void> remove(const volumes::ObjectKey& key, const std::string& last_document);

  // Inside write(): EAGAIN when an object of this kind, other than `except`, whose name begins with
  // `prefix` (not empty, ASCII) has been stored after `seen`.
  Result<void> expect_unchanged(volumes::Kind kind, const std::string& prefix, Version seen,
                                const volumes::ObjectKey& except);
  // Inside write(): ESTALE when the session has ended.
  Result<void> expect_session(const std::string& id);
  // Removes a session and all that hangs on it.
  Result<void> end_session(const std::string& id);
  // Does that for the sessions whose process has died. Before every answer, so that none shows what
  // died.
  Result<void> end_dead_sessions();
  // Removes files that no session stands behind: of processes that died before they had one.
  Result<void> remove_stray_session_files();

 private:
  Connection(Database database, const StateFiles& files, Version kept_changes)
      : database_(std::move(database)), files_(files), history_(kept_changes) {}
  Result<std::vector<std::string>> sessions();
  Result<std::vector<std::string>> dead_sessions();
  Result<void> remove_session_rows(const std::string& id);

  Database database_;
  StateFiles files_;
  History history_;
  bool has_recorded_ = false;
};

// The document as it is stored; EINVAL when it is not text that JSON can hold.
Result<std::string> text_of(const volumes::Object& object);

}  // namespace claimfs::store
