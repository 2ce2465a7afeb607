#include "control/stored_manifests.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "control/manifest_cache.h"

namespace claimfs::control {
namespace {

using volumes::Kind;
using volumes::Object;

constexpr std::array kKinds = {Kind::StorageClass, Kind::PersistentVolume,
                               Kind::PersistentVolumeClaim, Kind::Pod};

store::Version version_of(const Object& object) {
  const std::string text = object.resource_version();
  store::Version version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

}  // namespace

const StoredManifests::Stored* StoredManifests::find(const volumes::ObjectKey& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

store::Version StoredManifests::put(const Object& object) {
  const store::Version version = version_of(object);
  Stored& stored = objects_[object.key()];
  if (version < stored.version) return version;
  stored = {
      .version = version,
      .file = volumes::text_at(object.document, {"metadata", "annotations", kManifestAnnotation}),
      .is_deleting = object.is_deleting()};
  return version;
}

void StoredManifests::wrote(const store::Written& own) {
  if (watch_) watch_->skip(own);
}

Result<void> StoredManifests::list() {
  watch_.reset();
  objects_.clear();
  auto from = std::numeric_limits<store::Version>::max();
  for (const Kind kind : kKinds) {
    const store::Listing listing = TRY(store_.list(kind));
    from = std::min(from, listing.version);
    for (const Object& object : listing.objects) put(object);
  }
  watch_ = TRY(store_.watch(from));
  return {};
}

Result<bool> StoredManifests::refresh() {
  bool is_different = false;
  if (!watch_) {
    TRY_VOID(list());
    is_different = true;
  }
  for (;;) {
    auto changes = watch_->next(std::chrono::milliseconds(0));
    if (!changes) {
      watch_.reset();
      return failure(std::move(changes).error());
    }
    if (changes->empty()) return is_different;
    for (const store::Change& change : *changes) {
      if (change.type == store::Change::Type::Relist) {
        TRY_VOID(list());
        is_different = true;
        break;
      }
      if (std::ranges::find(kKinds, change.object.kind) == kKinds.end()) continue;
      is_different = true;
      if (change.type == store::Change::Type::Put) {
        put(change.object);
      } else if (const Stored* stored = find(change.object.key());
                 stored && stored->version <= change.version) {
        objects_.erase(change.object.key());
      }
    }
  }
}

}  // namespace claimfs::control
