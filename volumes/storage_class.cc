#include "volumes/storage_class.h"

#include <algorithm>
#include <array>

namespace claimfs::volumes {

StorageClass StorageClass::from(const Object& object) {
  return {
      .metadata = Metadata::from(object.document),
      .provisioner = text_at(object.document, "provisioner"),
      .waits_for_consumer = text_at(object.document, "volumeBindingMode") == "WaitForFirstConsumer",
      .allows_expansion = value_at(object.document, {"allowVolumeExpansion"}) == Json(true)};
}

bool StorageClass::is_default() const {
  return std::ranges::any_of(
      std::array{kIsDefaultClass, kBetaIsDefaultClass}, [this](std::string_view key) {
        const auto found = metadata.annotations.find(key);
        return found != metadata.annotations.end() && found->second == "true";
      });
}

const StorageClass* default_class(std::span<const StorageClass> classes) {
  const StorageClass* best = nullptr;
  for (const StorageClass& candidate : classes) {
    if (!candidate.is_default()) continue;
    if (!best || candidate.metadata.created > best->metadata.created ||
        (candidate.metadata.created == best->metadata.created &&
         candidate.metadata.name < best->metadata.name)) {
      best = &candidate;
    }
  }
  return best;
}

const StorageClass* find_class(std::span<const StorageClass> classes, std::string_view name) {
  const auto found = std::ranges::find_if(
      classes, [&](const StorageClass& each) { return each.metadata.name == name; });
  return found == classes.end() ? nullptr : &*found;
}

}  // namespace claimfs::volumes
