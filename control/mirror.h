#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "store/store.h"
#include "volumes/world.h"

namespace claimfs::control {

// The store's volumes, claims, classes, pods and attachments in memory, kept up to date by a watch.
// Used by one thread, wake() apart.
class Mirror {
 public:
  // `touched` is told the key of everything that changes here, before and after.
  using Touched = std::function<void(const volumes::ObjectKey&)>;
  explicit Mirror(
      store::Store& store, Touched touched = [](const volumes::ObjectKey&) {})
      : store_(store), touched_(std::move(touched)) {}

  // Reads everything and watches from there. Must have succeeded once before anything else.
  Result<void> relist();

  // Takes over what has changed; waits up to `timeout` for it. True when something here is
  // different now.
  Result<bool> follow(std::chrono::milliseconds timeout);

  // The point in the store's history that this shows: what was stored after it is not in here yet.
  store::Version version() const { return version_; }

  // Ends a wait in follow(). From any thread.
  void wake();

  const volumes::World& world() const { return world_; }
  // Null when there is none.
  const volumes::Object* find(const volumes::ObjectKey& key) const;

  // What its user is about to write, or found out, itself.
  void put(volumes::Object object);
  // The same where what is to be read from the document is known already.
  void put(volumes::Object object, volumes::Volume volume);
  void put(volumes::Object object, volumes::Claim claim);
  void erase(const volumes::ObjectKey& key);
  // For store::Store::write_all(), which leaves the new resourceVersion in it. Not null.
  volumes::Object* to_write(const volumes::ObjectKey& key) { return &objects_.at(key); }
  // What its user had put here has been written: the watch need not tell it.
  void written(const store::Written& own, const std::vector<volumes::ObjectKey>& keys);

 private:
  template <class Take>
  void replace(volumes::Object object, Take&& take);

  store::Store& store_;
  Touched touched_;
  Guarded<std::shared_ptr<store::Watch>>
      watch_;  // the pointer; the watch itself is its user's thread's
  std::map<volumes::ObjectKey, volumes::Object> objects_;
  volumes::World world_;
  store::Version version_ = 0;
};

}  // namespace claimfs::control
