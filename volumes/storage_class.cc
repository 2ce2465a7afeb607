#include "volumes/storage_class.h"

#include <algorithm>
#include <array>

namespace claimfs::volumes {

namespace {

// allowedTopologies say what a node selector's terms say, with In for each key.
NodeSelector topologies_from(const Json& list) {
  NodeSelector selector;
  if (!list.is_array()) return selector;
  for (const Json& topology : list) {
    NodeSelector::Term term;
    const Json& expressions = value_at(topology, {"matchLabelExpressions"});
    for (const Json& each : expressions.is_array() ? expressions : Json::array()) {
      term.expressions.push_back({.key = text_at(each, "key"),
                                  .op = "In",
                                  .values = string_list(value_at(each, {"values"}))});
    }
    selector.terms.push_back(std::move(term));
  }
  return selector;
}

}  // namespace

StorageClass StorageClass::from(const Object& object) {
  return {
      .metadata = Metadata::from(object.document),
      .provisioner = text_at(object.document, "provisioner"),
      .waits_for_consumer = text_at(object.document, "volumeBindingMode") == "WaitForFirstConsumer",
      .allows_expansion = value_at(object.document, {"allowVolumeExpansion"}) == Json(true),
      .reclaim_policy = text_at(object.document, "reclaimPolicy") == "Retain"
                            ? ReclaimPolicy::Retain
                            : ReclaimPolicy::Delete,
      .parameters = string_map(value_at(object.document, {"parameters"})),
      .mount_options = string_list(value_at(object.document, {"mountOptions"})),
      .allowed_topologies = topologies_from(value_at(object.document, {"allowedTopologies"}))};
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
