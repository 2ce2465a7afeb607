#include "control/mirror.h"

#include <algorithm>
#include <array>

namespace claimfs::control {
namespace {

using volumes::Kind;

constexpr std::array kMirrored = {Kind::PersistentVolume, Kind::PersistentVolumeClaim,
                                  Kind::StorageClass,     Kind::Pod,
                                  Kind::Attachment,       Kind::Mount};

bool is_mirrored(Kind kind) { return std::ranges::find(kMirrored, kind) != kMirrored.end(); }

}  // namespace

Result<void> Mirror::relist() {
  // The watch begins at the oldest listing: what changes between two listings is told again, which
  // does no harm.
  std::optional<store::Version> from;
  std::map<volumes::ObjectKey, volumes::Object> objects;
  for (Kind kind : kMirrored) {
    store::Listing listing = TRY(store_.list(kind));
    from = std::min(from.value_or(listing.version), listing.version);
    for (volumes::Object& object : listing.objects)
      objects.insert_or_assign(object.key(), std::move(object));
  }
  std::shared_ptr<store::Watch> watch = TRY(store_.watch(*from));
  watch_.with([&watch](auto& current) { current = std::move(watch); });
  for (const auto& [key, object] : objects_) touched_(key);
  objects_.clear();
  version_ = *from;
  world_ = volumes::World();
  for (auto& [key, object] : objects) put(std::move(object));
  return {};
}

Result<bool> Mirror::follow(std::chrono::milliseconds timeout) {
  const auto changes = TRY(watch_.with([](auto& current) { return current; })->next(timeout));
  bool changed = false;
  for (const store::Change& change : changes) {
    if (change.type == store::Change::Type::Relist) {
      TRY_VOID(relist());
      return true;
    }
    version_ = change.version;
    if (!is_mirrored(change.object.kind)) continue;
    const volumes::ObjectKey key = change.object.key();
    if (change.type == store::Change::Type::Removed) {
      if (!find(key)) continue;
      erase(key);
    } else {
      const volumes::Object* known = find(key);
      if (known && known->document == change.object.document) continue;
      put(change.object);
    }
    changed = true;
  }
  return changed;
}

void Mirror::wake() {
  if (const auto watch = watch_.with([](auto& current) { return current; })) watch->wake();
}

const volumes::Object* Mirror::find(const volumes::ObjectKey& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

template <class Take>
void Mirror::replace(volumes::Object object, Take&& take) {
  const auto key = object.key();
  touched_(key);
  take(object);
  objects_.insert_or_assign(key, std::move(object));
  touched_(key);
}

void Mirror::put(volumes::Object object, volumes::Volume volume) {
  replace(std::move(object), [&](const auto&) { world_.put(std::move(volume)); });
}

void Mirror::put(volumes::Object object, volumes::Claim claim) {
  replace(std::move(object), [&](const auto&) { world_.put(std::move(claim)); });
}

void Mirror::put(volumes::Object object) {
  replace(std::move(object), [this](const volumes::Object& read) {
    switch (read.kind) {
      case Kind::PersistentVolume:
        return world_.put(volumes::Volume::from(read));
      case Kind::PersistentVolumeClaim:
        return world_.put(volumes::Claim::from(read));
      case Kind::StorageClass:
        return world_.put(volumes::StorageClass::from(read));
      case Kind::Pod:
        return world_.put(volumes::Pod::from(read));
      case Kind::Attachment:
        return world_.put(volumes::Attachment::from(read));
      case Kind::Mount:
        return world_.put(volumes::MountRecord::from(read));
      case Kind::Event:
      case Kind::VolumeUsage:
        break;  // not mirrored
    }
  });
}

void Mirror::erase(const volumes::ObjectKey& key) {
  touched_(key);
  world_.erase(key);
  objects_.erase(key);
  touched_(key);
}

void Mirror::written(const store::Written& own, const std::vector<volumes::ObjectKey>& keys) {
  for (const volumes::ObjectKey& key : keys) {
    if (const volumes::Object* object = find(key)) world_.restamp(key, object->resource_version());
  }
  if (const auto watch = watch_.with([](auto& current) { return current; })) watch->skip(own);
}

}  // namespace claimfs::control
