#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/clock.h"
#include "store/store.h"
#include "volumes/field_errors.h"
#include "volumes/object.h"
#include "volumes/storage_class.h"

namespace claimfs::control {

// Why a request was refused, in the words of Kubernetes' API server and kubectl.
struct Refusal {
  enum class Reason { Invalid, AlreadyExists, NotFound, Conflict, Forbidden, Unreachable };
  Reason reason = Reason::Invalid;
  std::string message;  // `persistentvolumes "x" already exists`
  std::vector<volumes::FieldError>
      causes;  // Invalid: every error, `spec.accessModes: Required value`
};

template <class T>
using Answered = tl::expected<T, Refusal>;

// What an API server does between a request and the store: defaults, admission, validation,
// finalizers, deletionTimestamp. Used by the command line and the manifest directories alike.
// Thread-safe; blocks as the store does.
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

  // An object with metadata.generateName and no name gets one.
  Answered<Applied> create(const volumes::Object& desired, bool dry_run = false);
  // kubectl's client-side three-way merge with its last-applied annotation. A resourceVersion in
  // the manifest must be the object's; its status and timestamps are passed over.
  Answered<Applied> apply(const volumes::Object& desired, bool dry_run = false);
  // A JSON merge patch (RFC 7386), validated as an update.
  Answered<Applied> patch(const volumes::ObjectKey& key, const volumes::Json& merge_patch);
  Answered<Deleted> remove(const volumes::ObjectKey& key);
  // Whole objects as they are: no defaults, no validation, any resourceVersion (restore). All of
  // them at once, so that nobody acts on half of a backup; each gets its new resourceVersion.
  Answered<void> import(std::vector<volumes::Object>& objects);

 private:
  Answered<Applied> store_new(const volumes::Object& desired, bool dry_run);
  Answered<Applied> create_named_by_us(volumes::Object desired, const std::string& prefix,
                                       bool dry_run);
  Answered<Applied> replace(const volumes::Object& before, volumes::Object after, bool dry_run);
  Answered<std::optional<volumes::Object>> find(const volumes::ObjectKey& key);
  Answered<std::vector<volumes::StorageClass>> classes();

  store::Store& store_;
  Clock clock_;
};

}  // namespace claimfs::control
