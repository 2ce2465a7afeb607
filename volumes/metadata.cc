#include "volumes/metadata.h"

#include <algorithm>

namespace claimfs::volumes {

StringMap string_map(const Json& map) {
  StringMap result;
  if (!map.is_object()) return result;
  for (const auto& [key, value] : map.items()) {
    if (value.is_string()) result.emplace(key, value.get<std::string>());
  }
  return result;
}

std::vector<std::string> string_list(const Json& list) {
  std::vector<std::string> result;
  if (!list.is_array()) return result;
  for (const Json& item : list) {
    if (item.is_string()) result.push_back(item.get<std::string>());
  }
  return result;
}

namespace {

std::vector<Metadata::Owner> owners_from(const Json& references) {
  std::vector<Metadata::Owner> owners;
  if (!references.is_array()) return owners;
  for (const Json& reference : references) {
    owners.push_back({.kind = text_at(reference, "kind"),
                      .name = text_at(reference, "name"),
                      .uid = text_at(reference, "uid"),
                      .is_controller = value_at(reference, {"controller"}) == Json(true)});
  }
  return owners;
}

}  // namespace

Metadata Metadata::from(const Json& document) {
  const Json& metadata = value_at(document, {"metadata"});
  return {.name = text_at(metadata, "name"),
          .name_space = text_at(metadata, "namespace"),
          .uid = text_at(metadata, "uid"),
          .resource_version = text_at(metadata, "resourceVersion"),
          .created = text_at(metadata, "creationTimestamp"),
          .deletion = text_at(metadata, "deletionTimestamp"),
          .labels = string_map(value_at(metadata, {"labels"})),
          .annotations = string_map(value_at(metadata, {"annotations"})),
          .finalizers = string_list(value_at(metadata, {"finalizers"})),
          .owners = owners_from(value_at(metadata, {"ownerReferences"}))};
}

void Metadata::drop_annotation(std::string_view key) {
  if (const auto found = annotations.find(key); found != annotations.end())
    annotations.erase(found);
}

bool Metadata::has_finalizer(std::string_view finalizer) const {
  return std::ranges::find(finalizers, finalizer) != finalizers.end();
}

void Metadata::drop_finalizer(std::string_view finalizer) { std::erase(finalizers, finalizer); }

void Metadata::keep_finalizer(std::string_view finalizer, bool wanted) {
  if (!wanted) return drop_finalizer(finalizer);
  if (!has_finalizer(finalizer)) finalizers.emplace_back(finalizer);
}

bool Metadata::is_controlled_by(const std::string& owner_uid) const {
  return std::ranges::any_of(owners, [&owner_uid](const Owner& owner) {
    return owner.is_controller && owner.uid == owner_uid;
  });
}

void Metadata::write_into(Json& document) const {
  Json& metadata = document["metadata"];
  const auto write = [&metadata](const char* key, const auto& values) {
    if (values.empty()) {
      metadata.erase(key);
    } else {
      metadata[key] = values;
    }
  };
  write("annotations", std::map<std::string, std::string>(annotations.begin(), annotations.end()));
  write("finalizers", finalizers);
}

}  // namespace claimfs::volumes
