#include "control/mirror.h"

#include <algorithm>
#include <array>

namespace claimfs::control {
namespace {

using volumes::Kind;

constexpr std::array kMirrored = {Kind::PersistentVolume, Kind::PersistentVolumeClaim,
                                  Kind::StorageClass, Kind::Pod};

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
  objects_.clear();
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

void Mirror::put(volumes::Object object) {
  const Kind kind = object.kind;
  if (kind == Kind::PersistentVolume) world_.put(volumes::Volume::from(object));
  if (kind == Kind::PersistentVolumeClaim) world_.put(volumes::Claim::from(object));
  const auto key = object.key();
  objects_.insert_or_assign(key, std::move(object));
  rebuild_lists(kind);
}

void Mirror::erase(const volumes::ObjectKey& key) {
  if (key.kind == Kind::PersistentVolume) world_.erase_volume(key.name);
  if (key.kind == Kind::PersistentVolumeClaim) world_.erase_claim(key.name_space, key.name);
  objects_.erase(key);
  rebuild_lists(key.kind);
}

void Mirror::rebuild_lists(Kind kind) {
  const auto each = [this, kind](auto&& use) {
    for (auto at = objects_.lower_bound({kind, "", ""});
         at != objects_.end() && at->first.kind == kind; ++at)
      use(at->second);
  };
  if (kind == Kind::StorageClass) {
    world_.classes.clear();
    each([this](const volumes::Object& object) {
      world_.classes.push_back(volumes::StorageClass::from(object));
    });
  } else if (kind == Kind::Pod) {
    world_.pods.clear();
    each([this](const volumes::Object& object) {
      world_.pods.push_back(volumes::Pod::from(object));
    });
  }
}

}  // namespace claimfs::control
