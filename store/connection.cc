#include "store/connection.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "store/session_lock.h"

namespace claimfs::store {

using volumes::Kind;
using volumes::names_of;
using volumes::Object;
using volumes::ObjectKey;

Result<Connection> Connection::open(const StateFiles& files, Version kept_changes) {
  Database database = TRY(Database::open(files.database));
  return Connection(std::move(database), files, kept_changes);
}

Result<std::optional<StoredObject>> Connection::find(const ObjectKey& key) {
  Statement query = TRY(database_.query(
      "SELECT version, document FROM objects WHERE kind = ? AND namespace = ? AND name = ?",
      names_of(key.kind).kind_name, key.name_space, key.name));
  if (!TRY(query.step())) return std::nullopt;
  return StoredObject{static_cast<Version>(query.integer(0)), query.text(1)};
}

Result<std::optional<Version>> Connection::version_of(const ObjectKey& key) {
  Statement query = TRY(
      database_.query("SELECT version FROM objects WHERE kind = ? AND namespace = ? AND name = ?",
                      names_of(key.kind).kind_name, key.name_space, key.name));
  if (!TRY(query.step())) return std::nullopt;
  return static_cast<Version>(query.integer(0));
}

Result<Object> Connection::store(Object object, const std::optional<std::string>& session) {
  TRY_VOID(store_in_place(object, session));
  return object;
}

Result<void> Connection::store_in_place(Object& object, const std::optional<std::string>& session) {
  const Version version = TRY(history_.newest(database_)) + 1;
  object.document["metadata"]["resourceVersion"] = std::to_string(version);
  const std::string document = TRY(text_of(object));
  const ObjectKey key = object.key();
  TRY_VOID(database_.execute(
      "INSERT INTO objects (kind, namespace, name, version, document, session)"
      " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, namespace, name)"
      " DO UPDATE SET version = excluded.version, document = excluded.document",
      names_of(key.kind).kind_name, key.name_space, key.name, version, document, session));
  TRY_VOID(history_.record(database_, version, Change::Type::Put, key.kind, document));
  has_recorded_ = true;
  return {};
}

Result<void> Connection::remove(const ObjectKey& key, const std::string& last_document) {
  const Version version = TRY(history_.newest(database_)) + 1;
  TRY_VOID(database_.execute("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?",
                             names_of(key.kind).kind_name, key.name_space, key.name));
  TRY_VOID(history_.record(database_, version, Change::Type::Removed, key.kind, last_document));
  has_recorded_ = true;
  return {};
}

Result<std::vector<std::string>> Connection::sessions() {
  Statement query = TRY(database_.query("SELECT id FROM sessions ORDER BY id"));
  std::vector<std::string> ids;
  while (TRY(query.step())) ids.push_back(query.text(0));
  return ids;
}

Result<std::vector<std::string>> Connection::dead_sessions() {
  std::vector<std::string> ids = TRY(sessions());
  std::erase_if(ids, [&](const std::string& id) { return is_session_held(files_.session(id)); });
  return ids;
}

Result<void> Connection::expect_unchanged(Kind kind, const std::string& prefix, Version seen,
                                          const ObjectKey& except) {
  std::string behind = prefix;  // the first name that does not begin so
  if (behind.empty())
    behind = "\x7f";  // names are ASCII
  else
    ++behind.back();
  Statement query = TRY(database_.query(
      "SELECT name FROM objects WHERE kind = ? AND namespace = '' AND name >= ? AND name < ?"
      " AND version > ? AND name <> ?",
      names_of(kind).kind_name, prefix, behind, static_cast<std::int64_t>(seen), except.name));
  if (!TRY(query.step())) return {};
  return failure(EAGAIN, "'" + query.text(0) + "' has changed since");
}

Result<void> Connection::expect_session(const std::string& id) {
  Statement query = TRY(database_.query("SELECT 1 FROM sessions WHERE id = ?", id));
  if (!TRY(query.step())) return failure(ESTALE, "lease " + id + " has ended");
  return {};
}

Result<void> Connection::remove_session_rows(const std::string& id) {
  struct Orphan {
    ObjectKey key;
    std::string document;
  };
  std::vector<Orphan> orphans;
  {
    Statement query =
        TRY(database_.query("SELECT kind, namespace, name, document FROM objects WHERE session = ? "
                            "ORDER BY kind, namespace, name",
                            id));
    while (TRY(query.step())) {
      const auto kind = volumes::kind_from_word(query.text(0));
      if (!kind) return failure(EIO, "the store holds an object of unknown kind");
      orphans.push_back({{*kind, query.text(1), query.text(2)}, query.text(3)});
    }
  }
  for (const Orphan& orphan : orphans) TRY_VOID(remove(orphan.key, orphan.document));
  TRY_VOID(database_.execute("DELETE FROM locks WHERE session = ?", id));
  TRY_VOID(database_.execute("DELETE FROM sessions WHERE id = ?", id));
  return {};
}

Result<void> Connection::end_session(const std::string& id) {
  return write([&] { return remove_session_rows(id); });
}

Result<void> Connection::end_dead_sessions() {
  const std::vector<std::string> suspects = TRY(dead_sessions());
  if (suspects.empty()) return {};
  std::vector<std::string> ended;
  const auto end_them = [&]() -> Result<void> {
    ended = TRY(dead_sessions());  // again: another reader may have been first
    for (const std::string& id : ended) TRY_VOID(remove_session_rows(id));
    return {};
  };
  TRY_VOID(write(end_them));
  for (const std::string& id : ended) ::unlink(files_.session(id).c_str());
  return {};
}

Result<void> Connection::remove_stray_session_files() {
  std::error_code error;
  if (std::filesystem::is_empty(files_.sessions, error)) return {};
  // As the writer: a session's file is made and its row written in one transaction.
  return write([&]() -> Result<void> {
    const std::vector<std::string> known = TRY(sessions());
    std::error_code listing_error;
    for (const auto& entry : std::filesystem::directory_iterator(files_.sessions, listing_error)) {
      if (std::ranges::binary_search(known, entry.path().filename().string())) continue;
      if (!is_session_held(entry.path().string())) ::unlink(entry.path().c_str());
    }
    return {};
  });
}

Result<std::string> text_of(const Object& object) {
  try {
    return object.document.dump();
  } catch (const volumes::Json::exception&) {
    return failure(EINVAL,
                   std::string(names_of(object.kind).qualified(names_of(object.kind).plural)) +
                       ": the document is not valid UTF-8");
  }
}

}  // namespace claimfs::store
