#include "volumes/admission.h"

#include "volumes/quantity.h"

namespace claimfs::volumes {
namespace {

void drop_nulls(Json& value) {
  if (value.is_object()) {
    for (auto member = value.begin(); member != value.end();) {
      if (member->is_null()) {
        member = value.erase(member);
      } else {
        drop_nulls(*member);
        ++member;
      }
    }
  } else if (value.is_array()) {
    for (Json& item : value) drop_nulls(item);
  }
}

// Go's omitempty: these say nothing when they are empty, zero or false.
void drop_if_empty(Json& map, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = map.find(key);
    if (found == map.end()) continue;
    if (found->empty() || *found == Json("") || *found == Json(false) || *found == Json(0))
      map.erase(found);
  }
}

void canonicalize_quantities(Json& map) {
  if (!map.is_object()) return;
  for (Json& value : map) {
    if (const auto quantity = Quantity::from(value)) value = quantity->text();
  }
}

void set_default(Json& map, const char* key, const char* value) {
  if (!map.contains(key)) map[key] = value;
}

void add_finalizer(Json& metadata, std::string_view finalizer) {
  Json& finalizers = metadata["finalizers"];
  if (finalizers.is_null()) finalizers = Json::array();
  for (const Json& each : finalizers) {
    if (each == finalizer) return;
  }
  finalizers.push_back(finalizer);
}

}  // namespace

Json normalized(const Object& object) {
  Json document = object.document;
  drop_nulls(document);
  Json& metadata = document["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  drop_if_empty(metadata,
                {"labels", "annotations", "finalizers", "ownerReferences", "managedFields",
                 "generateName", "namespace", "uid", "resourceVersion", "selfLink", "generation"});
  if (!names_of(object.kind).namespaced) metadata.erase("namespace");
  if (object.kind == Kind::StorageClass)
    drop_if_empty(document, {"parameters", "mountOptions", "allowedTopologies"});
  if (!document.contains("spec")) return document;

  Json& spec = document["spec"];
  if (object.kind == Kind::PersistentVolume) {
    drop_if_empty(spec, {"capacity", "accessModes", "storageClassName", "mountOptions",
                         "persistentVolumeReclaimPolicy"});
    if (spec.contains("capacity")) canonicalize_quantities(spec["capacity"]);
    if (spec.contains("nfs")) drop_if_empty(spec["nfs"], {"readOnly"});
    if (spec.contains("csi"))
      drop_if_empty(spec["csi"], {"readOnly", "fsType", "volumeAttributes"});
  } else if (object.kind == Kind::PersistentVolumeClaim) {
    drop_if_empty(spec, {"accessModes", "volumeName"});
    Json& resources = spec["resources"];
    if (resources.is_null()) resources = Json::object();
    drop_if_empty(resources, {"requests", "limits"});
    for (const char* key : {"requests", "limits"}) {
      if (resources.contains(key)) canonicalize_quantities(resources[key]);
    }
  }
  return document;
}

void apply_defaults(Object& object) {
  Json& document = object.document;
  if (object.kind == Kind::StorageClass) {
    set_default(document, "reclaimPolicy", "Delete");
    set_default(document, "volumeBindingMode", "Immediate");
    return;
  }
  if (object.kind != Kind::PersistentVolume && object.kind != Kind::PersistentVolumeClaim) return;
  Json& spec = document["spec"];
  if (spec.is_null()) spec = Json::object();
  set_default(spec, "volumeMode", "Filesystem");
  if (object.kind == Kind::PersistentVolume) {
    set_default(spec, "persistentVolumeReclaimPolicy", "Retain");
    if (spec.contains("hostPath") && spec["hostPath"].is_object())
      set_default(spec["hostPath"], "type", "");
  }
}

Object admitted(Object object, std::span<const StorageClass> classes, const std::string& now,
                const std::string& uid) {
  apply_defaults(object);
  settle_data_sources(object, nullptr);
  Json& document = object.document;
  Json& metadata = document["metadata"];
  metadata["uid"] = uid;
  metadata["creationTimestamp"] = now;
  for (const char* key : {"resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds",
                          "generation", "selfLink", "managedFields"}) {
    metadata.erase(key);
  }
  switch (object.kind) {
    case Kind::PersistentVolume:
      add_finalizer(metadata, kVolumeProtection);
      document["status"] = {{"phase", "Pending"}, {"lastPhaseTransitionTime", now}};
      break;
    case Kind::PersistentVolumeClaim: {
      add_finalizer(metadata, kClaimProtection);
      document["status"] = {{"phase", "Pending"}};
      Json& spec = document["spec"];
      const StorageClass* fallback = default_class(classes);
      const bool has_class = spec.contains("storageClassName") ||
                             value_at(metadata, {"annotations", kBetaStorageClass}).is_string();
      if (!has_class && fallback) spec["storageClassName"] = fallback->metadata.name;
      break;
    }
    case Kind::Pod:
      if (!document.contains("status")) document["status"] = {{"phase", "Pending"}};
      break;
    case Kind::StorageClass:
    case Kind::Event:
    case Kind::Attachment:
    case Kind::Mount:
    case Kind::VolumeUsage:
      break;
  }
  return object;
}

}  // namespace claimfs::volumes
