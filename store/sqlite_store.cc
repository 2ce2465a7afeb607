#include "store/sqlite_store.h"

#include "base/guarded.h"
#include "store/connection.h"
#include "store/schema.h"
#include "store/sqlite_lease.h"
#include "store/sqlite_watch.h"

namespace claimfs::store {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::names_of;
using volumes::Object;
using volumes::ObjectKey;

std::string describe(const ObjectKey& key) {
  const volumes::KindNames& names = names_of(key.kind);
  const std::string name = key.name_space.empty() ? key.name : key.name_space + "/" + key.name;
  return names.qualified(names.plural) + " \"" + name + "\"";
}

tl::unexpected<Error> conflict(const ObjectKey& key, Version stored, const std::string& expected) {
  return failure(EAGAIN, describe(key) + " is at version " + std::to_string(stored) + ", not at '" +
                             expected + "'");
}

// What has no name cannot be found again.
Result<void> expect_name(const Object& object) {
  if (!object.name().empty()) return {};
  return failure(EINVAL, names_of(object.kind).qualified(names_of(object.kind).plural) +
                             " without metadata.name");
}

// The changes themselves, inside a write transaction.

Result<Object> create_in(Connection& connection, Object object, const Lease* lease) {
  TRY_VOID(expect_name(object));
  if (TRY(connection.find(object.key()))) return failure(EEXIST, describe(object.key()));
  if (!lease) return connection.store(std::move(object), std::nullopt);
  TRY_VOID(connection.expect_session(lease->id()));
  return connection.store(std::move(object), lease->id());
}

Result<Object> update_in(Connection& connection, Object object) {
  const ObjectKey key = object.key();
  const std::optional<StoredObject> stored = TRY(connection.find(key));
  if (!stored) return failure(ENOENT, describe(key));
  const std::string expected = object.resource_version();
  if (expected != std::to_string(stored->version)) return conflict(key, stored->version, expected);
  // As text: as values, 1 and 1.0 are equal.
  if (TRY(text_of(object)) == stored->document) return object;
  return connection.store(std::move(object), std::nullopt);
}

Result<void> remove_in(Connection& connection, const ObjectKey& key,
                       const std::string& resource_version) {
  const std::optional<StoredObject> stored = TRY(connection.find(key));
  if (!stored) return failure(ENOENT, describe(key));
  if (!resource_version.empty() && resource_version != std::to_string(stored->version))
    return conflict(key, stored->version, resource_version);
  return connection.remove(key, stored->document);
}

void set_version(Object& object, const std::string& version) {
  Json& metadata = object.document["metadata"];
  if (version.empty()) {
    metadata.erase("resourceVersion");
  } else {
    metadata["resourceVersion"] = version;
  }
}

// One of many: the object gets its new version in its place.
Result<void> write_in(Connection& connection, const Write& each) {
  Object& object = *each.object;
  const ObjectKey key = object.key();
  if (each.type == Write::Type::Remove)
    return remove_in(connection, key, object.resource_version());
  TRY_VOID(expect_name(object));
  const std::optional<Version> stored = TRY(connection.version_of(key));
  if (each.type == Write::Type::Create && stored) return failure(EEXIST, describe(key));
  if (each.type == Write::Type::Update) {
    if (!stored) return failure(ENOENT, describe(key));
    if (object.resource_version() != std::to_string(*stored))
      return conflict(key, *stored, object.resource_version());
  }
  return connection.store_in_place(object, std::nullopt);
}

// Whether the object says what is stored, its version aside.
Result<bool> is_unchanged(Object object, const StoredObject& stored) {
  object.document["metadata"]["resourceVersion"] = std::to_string(stored.version);
  return TRY(text_of(object)) == stored.document;
}

class SqliteStore final : public Store {
 public:
  SqliteStore(Connection connection, const SqliteOptions& options)
      : files_(connection.files()),
        options_(options),
        connection_(std::make_shared<Guarded<Connection>>(std::in_place, std::move(connection))) {}

  Result<Object> get(const ObjectKey& key) override {
    return use([&](Connection& connection) -> Result<Object> {
      const std::optional<StoredObject> stored = TRY(connection.find(key));
      if (!stored) return failure(ENOENT, describe(key));
      return parse_object(key.kind, stored->document);
    });
  }

  Result<Listing> list(Kind kind) override {
    return use([&](Connection& connection) {
      return connection.read([&]() -> Result<Listing> {
        Listing listing;
        listing.version = TRY(connection.history().newest(connection.database()));
        Statement query = TRY(connection.database().query(
            "SELECT document FROM objects WHERE kind = ? ORDER BY namespace, name",
            names_of(kind).kind_name));
        while (TRY(query.step())) listing.objects.push_back(TRY(parse_object(kind, query.text(0))));
        return listing;
      });
    });
  }

  Result<Object> create(const Object& object, const Lease* lease) override {
    return write([&](Connection& connection) { return create_in(connection, object, lease); });
  }

  Result<Object> update(const Object& object) override {
    return write([&](Connection& connection) { return update_in(connection, object); });
  }

  Result<Object> store_if(const Object& object, const Lease* lease,
                          const Grounds& grounds) override {
    return write([&](Connection& connection) -> Result<Object> {
      for (const std::string& prefix : grounds.name_prefixes)
        TRY_VOID(connection.expect_unchanged(grounds.kind, prefix, grounds.seen, object.key()));
      return object.resource_version().empty() ? create_in(connection, object, lease)
                                               : update_in(connection, object);
    });
  }

  Result<Object> put(const Object& object) override {
    TRY_VOID(expect_name(object));
    return write([&](Connection& connection) -> Result<Object> {
      const std::optional<StoredObject> stored = TRY(connection.find(object.key()));
      if (stored && TRY(is_unchanged(object, *stored)))
        return parse_object(object.kind, stored->document);
      return connection.store(object, std::nullopt);
    });
  }

  Result<void> remove(const ObjectKey& key, const std::string& resource_version) override {
    return write(
        [&](Connection& connection) { return remove_in(connection, key, resource_version); });
  }

  Result<Written> write_all(std::span<const Write> writes) override {
    std::vector<std::string> versions;  // as they were
    for (const Write& each : writes) versions.push_back(each.object->resource_version());
    auto written = write([&](Connection& connection) -> Result<Written> {
      Written changes{.before = TRY(connection.history().newest(connection.database()))};
      for (const Write& each : writes) TRY_VOID(write_in(connection, each));
      changes.after = TRY(connection.history().newest(connection.database()));
      return changes;
    });
    if (!written) {
      for (std::size_t i = 0; i < writes.size(); ++i) set_version(*writes[i].object, versions[i]);
    }
    return written;
  }

  Result<Version> newest() override {
    return use(
        [](Connection& connection) { return connection.history().newest(connection.database()); });
  }

  Result<std::unique_ptr<Watch>> watch(Version from) override {
    return SqliteWatch::open(files_, from, options_.kept_changes, options_.slow_look);
  }

  Result<std::unique_ptr<Lease>> grant_lease() override { return SqliteLease::grant(connection_); }

  Result<void> acquire(const std::string& lock_name, const Lease& lease,
                       const std::string& holder) override {
    return write([&](Connection& connection) -> Result<void> {
      TRY_VOID(connection.expect_session(lease.id()));
      Database& database = connection.database();
      Statement query =
          TRY(database.query("SELECT session, holder FROM locks WHERE name = ?", lock_name));
      if (TRY(query.step()) && query.text(0) != lease.id()) {
        return failure(EBUSY, "'" + lock_name + "' is held by " + query.text(1));
      }
      TRY_VOID(
          database.execute("INSERT OR REPLACE INTO locks (name, session, holder) VALUES (?, ?, ?)",
                           lock_name, lease.id(), holder));
      return {};
    });
  }

  Result<void> release(const std::string& lock_name, const Lease& lease) override {
    return write([&](Connection& connection) -> Result<void> {
      TRY_VOID(connection.database().execute("DELETE FROM locks WHERE name = ? AND session = ?",
                                             lock_name, lease.id()));
      return {};
    });
  }

  Result<std::string> holder_of(const std::string& lock_name) override {
    return use([&](Connection& connection) -> Result<std::string> {
      Statement query =
          TRY(connection.database().query("SELECT holder FROM locks WHERE name = ?", lock_name));
      return TRY(query.step()) ? query.text(0) : std::string();
    });
  }

 private:
  // The connection is the one thing that a thread holds while it waits for the disk: SQLite has one
  // writer anyway.
  template <class Use>
  std::invoke_result_t<Use, Connection&> use(Use&& look) {
    return connection_->with([&](Connection& connection) -> std::invoke_result_t<Use, Connection&> {
      TRY_VOID(connection.end_dead_sessions());
      return look(connection);
    });
  }
  template <class Write>
  std::invoke_result_t<Write, Connection&> write(Write&& change) {
    return use([&](Connection& connection) {
      return connection.write([&] { return change(connection); });
    });
  }

  const StateFiles files_;
  const SqliteOptions options_;
  const std::shared_ptr<Guarded<Connection>> connection_;  // shared with the leases
};

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& database_path) {
  return open_sqlite_store(database_path, {});
}

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& database_path,
                                                 const SqliteOptions& options) {
  const StateFiles files = TRY(create_state_files(database_path));
  const Fd turn = TRY(lock_for_opening(files));
  Connection connection = TRY(Connection::open(files, options.kept_changes));
  TRY_VOID(prepare_schema(connection.database(), files.database));
  TRY_VOID(connection.remove_stray_session_files());
  return std::make_unique<SqliteStore>(std::move(connection), options);
}

}  // namespace claimfs::store
