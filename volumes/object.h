#pragma once

#include <compare>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace claimfs::volumes {

// Documents print with sorted keys, as kubectl prints them.
using Json = nlohmann::json;

// Attachment, Mount and VolumeUsage are ours: what the mounts tell one another through the store.
enum class Kind {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  Pod,
  Event,
  Attachment,
  Mount,
  VolumeUsage
};

// How a kind is written in manifests, messages and on the command line.
struct KindNames {
  Kind kind;
  std::string_view kind_name;    // "PersistentVolumeClaim"
  std::string_view api_version;  // "v1", "storage.k8s.io/v1"
  std::string_view singular;     // "persistentvolumeclaim"
  std::string_view plural;       // "persistentvolumeclaims"
  std::string_view short_name;   // "pvc"
  std::string_view group;  // "" or "storage.k8s.io"; "storageclass.storage.k8s.io" in messages
  bool namespaced;

  // `name` with the group behind it, as messages say it: "storageclasses.storage.k8s.io",
  // "persistentvolumes".
  std::string qualified(std::string_view name) const;
};

const KindNames& names_of(Kind kind);

// By any of a kind's names, as kubectl takes them ("pv", "persistentvolume", "PersistentVolumes",
// "sc.storage.k8s.io").
std::optional<Kind> kind_from_word(std::string_view word);

// By apiVersion and kind of a document.
std::optional<Kind> kind_from_document(const Json& document);

// The value at a path of keys; null where any of it is missing or not a map.
const Json& value_at(const Json& document, std::initializer_list<std::string_view> path);
// The string there; empty when it is missing or something else.
std::string text_at(const Json& document, std::initializer_list<std::string_view> path);
std::string text_at(const Json& document, std::string_view key);

// What names an object. name_space is empty for kinds that have none.
struct ObjectKey {
  Kind kind;
  std::string name_space;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
};

// An object as it is stored and printed: the whole document, metadata.uid and
// metadata.resourceVersion included. Nothing of a document is lost on the way through the store,
// known to us or not.
struct Object {
  Kind kind;
  Json document;

  ObjectKey key() const;
  std::string name() const;
  std::string name_space() const;
  std::string uid() const;               // empty when absent
  std::string resource_version() const;  // empty when absent
  bool is_deleting() const;              // metadata.deletionTimestamp is set
};

}  // namespace claimfs::volumes
