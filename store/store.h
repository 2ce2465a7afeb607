#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "volumes/object.h"

namespace claimfs::store {

// A point in the store's one history of changes. Later is greater; an object's
// metadata.resourceVersion is its decimal text.
using Version = std::uint64_t;

struct Listing {
  std::vector<volumes::Object> objects;  // by namespace, then name
  Version version = 0;  // the history this listing shows: watch from here and nothing is missed
};

struct Change {
  enum class Type { Put, Removed, Relist };
  Type type = Type::Relist;
  volumes::Object
      object;  // Removed: as it last was. Relist: none; what follows cannot be told, list again.
  Version version = 0;
};

// What a decision was made on: nothing else of this kind whose name begins with one of these
// prefixes (the empty one: nothing else at all) has been stored after `seen`. (What was removed
// since would only have made it easier.)
struct Grounds {
  volumes::Kind kind = volumes::Kind::Attachment;
  std::vector<std::string> name_prefixes;
  Version seen = 0;
};

// One of several changes that are made together. Not owned, so that thousands need no copies.
struct Write {
  enum class Type { Create, Update, Put, Remove };
  Type type = Type::Update;
  // Remove: what is known of it; its version, if it has one, must still be the stored one.
  volumes::Object* object = nullptr;
};

// Which changes they became: those of the history after `before`, up to and with `after`, and no
// other's are among them.
struct Written {
  Version before = 0;
  Version after = 0;
};

// An ordered stream of changes. Used by one thread.
class Watch {
 public:
  virtual ~Watch() = default;

  // The next changes in order; waits up to `timeout` for the first. Empty when none came or wake()
  // was called.
  virtual Result<std::vector<Change>> next(std::chrono::milliseconds timeout) = 0;

  // What its user has written itself need not be told: next() leaves these changes out where it
  // can.
  virtual void skip(const Written& own) = 0;

  // Ends a wait in next(), from any thread.
  virtual void wake() = 0;
};

// A holder's sign of life: what is created under it is removed with it. Lost when its process dies.
class Lease {
 public:
  virtual ~Lease() = default;  // gives it back: what hangs on it is removed
  virtual std::string id() const = 0;
  virtual bool is_held() const = 0;
};

// The only truth: objects with compare-and-swap, watch and leases. Every call may be made from any
// thread, and blocks for as long as the engine needs. Errors: EAGAIN conflict (the object has
// another version: read again), EEXIST, ENOENT, EIO and others of the engine with context.
class Store {
 public:
  virtual ~Store() = default;

  virtual Result<volumes::Object> get(const volumes::ObjectKey& key) = 0;
  virtual Result<Listing> list(volumes::Kind kind) = 0;

  // Stores a new object and returns it with its metadata.resourceVersion. Everything else (uid,
  // timestamps) is kept as given: admission is not the store's matter. With a lease: it goes when
  // the lease goes.
  virtual Result<volumes::Object> create(const volumes::Object& object,
                                         const Lease* lease = nullptr) = 0;

  // Replaces an object whose metadata.resourceVersion is still the stored one; an unchanged
  // document is not a change.
  virtual Result<volumes::Object> update(const volumes::Object& object) = 0;

  // Creates the object, under the lease, when it has no resourceVersion, and updates it when it has
  // one; but only while what it was decided on still holds, or EAGAIN.
  virtual Result<volumes::Object> store_if(const volumes::Object& object, const Lease* lease,
                                           const Grounds& grounds) = 0;

  // Replaces or creates, whatever is there (import).
  virtual Result<volumes::Object> put(const volumes::Object& object) = 0;

  // Removes at exactly that version, or at any when `resource_version` is empty.
  virtual Result<void> remove(const volumes::ObjectKey& key,
                              const std::string& resource_version) = 0;

  // Makes all these changes at once, or none: the error is that of the first that cannot be made
  // (EAGAIN, EEXIST, ENOENT). Success leaves the new resourceVersions in the objects, failure the
  // old ones.
  virtual Result<Written> write_all(std::span<const Write> writes) = 0;

  // The version of now: watch from here, and look then, and nothing is missed.
  virtual Result<Version> newest() = 0;

  // Changes after `from`, of all kinds.
  virtual Result<std::unique_ptr<Watch>> watch(Version from) = 0;

  virtual Result<std::unique_ptr<Lease>> grant_lease() = 0;

  // Takes a name that one lease at a time can hold, or EBUSY with the holder in the context.
  virtual Result<void> acquire(const std::string& lock_name, const Lease& lease,
                               const std::string& holder) = 0;
  // Gives a name back that this lease holds.
  virtual Result<void> release(const std::string& lock_name, const Lease& lease) = 0;
  // Who holds a name now; empty when nobody does.
  virtual Result<std::string> holder_of(const std::string& lock_name) = 0;
};

}  // namespace claimfs::store
