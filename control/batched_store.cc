#include "control/batched_store.h"

#include <cerrno>
#include <utility>

namespace claimfs::control {

using volumes::Object;

Result<void> BatchedStore::wait(store::Write::Type type, Object object) {
  if (!keys_.insert(object.key()).second) return failure(EAGAIN, object.name() + " waits already");
  objects_.push_back(std::move(object));
  writes_.push_back({type, &objects_.back()});
  return {};
}

Result<Object> BatchedStore::create(const Object& object, const store::Lease* lease) {
  if (lease) return store_.create(object, lease);
  TRY_VOID(wait(store::Write::Type::Create, object));
  return object;
}

Result<Object> BatchedStore::store_if(const Object& object, const store::Lease* lease,
                                      const store::Grounds& grounds) {
  return store_.store_if(object, lease, grounds);
}

Result<Object> BatchedStore::update(const Object& object) {
  TRY_VOID(wait(store::Write::Type::Update, object));
  return object;
}

Result<void> BatchedStore::remove(const volumes::ObjectKey& key,
                                  const std::string& resource_version) {
  volumes::Json metadata = {{"name", key.name}};
  if (!key.name_space.empty()) metadata["namespace"] = key.name_space;
  if (!resource_version.empty()) metadata["resourceVersion"] = resource_version;
  return wait(store::Write::Type::Remove, {key.kind, {{"metadata", std::move(metadata)}}});
}

Result<store::Listing> BatchedStore::list(volumes::Kind kind) {
  if (kind != volumes::Kind::StorageClass) return store_.list(kind);
  if (!classes_) classes_ = TRY(store_.list(kind));
  return *classes_;
}

Result<store::Written> BatchedStore::flush(const std::function<void(const Object&)>& wrote) {
  classes_.reset();
  keys_.clear();
  std::deque<Object> objects = std::exchange(objects_, {});
  const std::vector<store::Write> writes = std::exchange(writes_, {});
  if (writes.empty()) return store::Written{};
  const store::Written written = TRY(store_.write_all(writes));
  for (const store::Write& each : writes) {
    if (each.type != store::Write::Type::Remove) wrote(*each.object);
  }
  return written;
}

}  // namespace claimfs::control
