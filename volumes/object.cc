#include "volumes/object.h"

#include <algorithm>
#include <array>

namespace claimfs::volumes {
namespace {

constexpr std::array<KindNames, 8> kKinds = {{
    {Kind::PersistentVolume, "PersistentVolume", "v1", "persistentvolume", "persistentvolumes",
     "pv", "", false},
    {Kind::PersistentVolumeClaim, "PersistentVolumeClaim", "v1", "persistentvolumeclaim",
     "persistentvolumeclaims", "pvc", "", true},
    {Kind::StorageClass, "StorageClass", "storage.k8s.io/v1", "storageclass", "storageclasses",
     "sc", "storage.k8s.io", false},
    {Kind::Pod, "Pod", "v1", "pod", "pods", "po", "", true},
    {Kind::Event, "Event", "v1", "event", "events", "ev", "", true},
    {Kind::Attachment, "Attachment", "claimfs.io/v1alpha1", "attachment", "attachments", "att",
     "claimfs.io", false},
    {Kind::Mount, "Mount", "claimfs.io/v1alpha1", "mount", "mounts", "mt", "claimfs.io", false},
    {Kind::VolumeUsage, "VolumeUsage", "claimfs.io/v1alpha1", "volumeusage", "volumeusages", "vu",
     "claimfs.io", false},
}};

std::string lower(std::string_view word) {
  std::string result(word);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

}  // namespace

const KindNames& names_of(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::string KindNames::qualified(std::string_view name) const {
  return std::string(name) + (group.empty() ? "" : "." + std::string(group));
}

std::optional<Kind> kind_from_word(std::string_view word) {
  const std::string wanted = lower(word);
  for (const KindNames& names : kKinds) {
    for (std::string_view name : {names.singular, names.plural, names.short_name}) {
      if (wanted == name || wanted == names.qualified(name)) return names.kind;
    }
  }
  return std::nullopt;
}

std::optional<Kind> kind_from_document(const Json& document) {
  const std::string api_version = text_at(document, "apiVersion");
  const std::string kind = text_at(document, "kind");
  for (const KindNames& names : kKinds) {
    if (kind == names.kind_name && api_version == names.api_version) return names.kind;
  }
  return std::nullopt;
}

const Json& value_at(const Json& document, std::initializer_list<std::string_view> path) {
  static const Json kNull;
  const Json* at = &document;
  for (std::string_view step : path) {
    if (!at->is_object()) return kNull;
    const auto found = at->find(step);
    if (found == at->end()) return kNull;
    at = &*found;
  }
  return *at;
}

std::string text_at(const Json& document, std::initializer_list<std::string_view> path) {
  const Json& value = value_at(document, path);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string text_at(const Json& document, std::string_view key) { return text_at(document, {key}); }

ObjectKey Object::key() const { return {kind, name_space(), name()}; }
std::string Object::name() const { return text_at(document, {"metadata", "name"}); }
std::string Object::name_space() const {
  return names_of(kind).namespaced ? text_at(document, {"metadata", "namespace"}) : std::string();
}
std::string Object::uid() const { return text_at(document, {"metadata", "uid"}); }
std::string Object::resource_version() const {
  return text_at(document, {"metadata", "resourceVersion"});
}
bool Object::is_deleting() const {
  return !text_at(document, {"metadata", "deletionTimestamp"}).empty();
}

}  // namespace claimfs::volumes
