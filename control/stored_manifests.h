#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "store/store.h"
#include "volumes/object.h"

namespace claimfs::control {

// Which version of what can be declared in manifests the store has, and from which file it came.
// Kept up to date by a watch: to look again costs one query when nothing has changed.
class StoredManifests {
 public:
  struct Stored {
    store::Version version = 0;
    std::string file;  // empty: nobody declared it
    bool is_deleting = false;
  };

  explicit StoredManifests(store::Store& store) : store_(store) {}

  // Takes over what has changed; true when that is anything.
  Result<bool> refresh();

  const std::map<volumes::ObjectKey, Stored>& objects() const { return objects_; }
  // Null when there is none.
  const Stored* find(const volumes::ObjectKey& key) const;

  // What its user has written itself, or read. Returns its version.
  store::Version put(const volumes::Object& object);
  // The watch need not tell these.
  void wrote(const store::Written& own);

 private:
  Result<void> list();

  store::Store& store_;
  std::unique_ptr<store::Watch> watch_;
  std::map<volumes::ObjectKey, Stored> objects_;
};

}  // namespace claimfs::control
