#pragma once

#include <functional>
#include <string>
#include <vector>

#include "store/store.h"
#include "volumes/object.h"

namespace claimfs::control {

// Seconds since 1970, UTC; a value so that tests own the time.
using Clock = std::function<std::int64_t()>;
Clock system_clock();

// Why a request was refused, in the words of Kubernetes' API server and kubectl.
struct Refusal {
  enum class Reason { Invalid, AlreadyExists, NotFound, Conflict, Forbidden, Unreachable };
  Reason reason = Reason::Invalid;
  std::string message;              // one line: `persistentvolumes "x" already exists`
  std::vector<std::string> causes;  // Invalid: each error, `spec.accessModes: Required value`
};

template <class T>
using Answered = tl::expected<T, Refusal>;

// What an API server does between a request and the store: defaults, admission, validation, finalizers,
// deletionTimestamp. Used by the command line and the manifest directories alike. Thread-safe; blocks as the store does.
class Api {
 public:
  Api(store::Store& store, Clock clock);

  enum class Outcome { Created, Configured, Unchanged };
  struct Applied {
    Outcome outcome = Outcome::Unchanged;
    volumes::Object object;
    std::vector<std::string> warnings;
  };
  struct Deleted {
    volumes::Object object;
    bool is_gone = false;  // false: it is Terminating, finalizers hold it
  };

  Answered<Applied> create(const volumes::Object& desired, bool dry_run = false);
  // kubectl's client-side three-way merge with its last-applied annotation.
  Answered<Applied> apply(const volumes::Object& desired, bool dry_run = false);
  // A JSON merge patch (RFC 7386), validated as an update.
  Answered<Applied> patch(const volumes::ObjectKey& key, const volumes::Json& merge_patch);
  Answered<Deleted> remove(const volumes::ObjectKey& key);
  // The whole object as it is: no defaults, no validation, any resourceVersion (restore).
  Answered<volumes::Object> import(const volumes::Object& object);

 private:
  store::Store& store_;
  Clock clock_;
};

}  // namespace claimfs::control
