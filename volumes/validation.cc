#include "volumes/validation.h"

#include <algorithm>

#include "volumes/access_modes.h"
#include "volumes/admission.h"
#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"
#include "volumes/quantity.h"
#include "volumes/schema.h"

namespace claimfs::volumes {
namespace {

void validate_kind(const Object& object, Tolerance tolerance, FieldErrors& errors) {
  switch (object.kind) {
    case Kind::PersistentVolume:
      return validate_volume(object.document, tolerance, errors);
    case Kind::PersistentVolumeClaim:
      return validate_claim(object.document, tolerance, errors);
    case Kind::StorageClass:
      return validate_storage_class(object.document, errors);
    case Kind::Pod:
      return validate_pod(object.document, errors);
    case Kind::Event:
      return validate_metadata(object.document, Scope::Namespace, errors);
    case Kind::Attachment:
    case Kind::Mount:
    case Kind::VolumeUsage:
      return validate_metadata(object.document, Scope::Cluster, errors);
  }
}

void validate_kind_update(const Object& before, const Object& after, FieldErrors& errors) {
  switch (after.kind) {
    case Kind::PersistentVolume:
      return validate_volume_update(before.document, after.document, errors);
    case Kind::PersistentVolumeClaim:
      return validate_claim_update(before.document, after.document, errors);
    case Kind::StorageClass:
      return validate_storage_class_update(before.document, after.document, errors);
    case Kind::Pod:
      return validate_pod_update(before.document, after.document, errors);
    case Kind::Event:
    case Kind::Attachment:
    case Kind::Mount:
    case Kind::VolumeUsage:
      break;
  }
}

Tolerance tolerance_for(const Object& before) {
  if (before.kind == Kind::PersistentVolume) return tolerance_for_volume(before.document);
  if (before.kind == Kind::PersistentVolumeClaim) return tolerance_for_claim(before.document);
  return {};
}

// As the API server would hold it. What came by import may have no types to rely on.
Object completed(const Object& object) {
  FieldErrors types;
  check_schema(object, unknown_fields(object), types);
  if (!types.empty()) return object;
  Object complete{object.kind, normalized(object)};
  apply_defaults(complete);
  return complete;
}

// Of the claim's annotation or its field.
std::string class_of(const Object& claim) {
  const Json& beta = value_at(claim.document, {"metadata", "annotations", kBetaStorageClass});
  return beta.is_string() ? beta.get<std::string>()
                          : text_at(claim.document, {"spec", "storageClassName"});
}

}  // namespace

void validate_access_modes(const Json& spec, const std::string& field, FieldErrors& errors) {
  const Json& modes = value_at(spec, {"accessModes"});
  for (const std::string& mode : string_list(modes)) {
    if (!access_mode_from(mode)) {
      errors.unsupported(field + ".accessModes", mode,
                         {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"});
    }
  }
  const auto known = AccessModes::from(modes);
  if (known.has(AccessMode::ReadWriteOncePod) && known.count() > 1) {
    errors.forbidden(field + ".accessModes",
                     "may not use ReadWriteOncePod with other access modes");
  }
}

void validate_volume_mode(const Json& spec, const std::string& field, FieldErrors& errors) {
  const Json& mode = value_at(spec, {"volumeMode"});
  if (mode.is_string() && mode != "Block" && mode != "Filesystem")
    errors.unsupported(field + ".volumeMode", mode, {"Block", "Filesystem"});
}

void validate_class_name(const Json& spec, const char* key, const std::string& field,
                         FieldErrors& errors) {
  const std::string name = text_at(spec, key);
  if (!name.empty()) errors.invalid(field + "." + key, name, dns_subdomain_problems(name));
}

std::vector<FieldError> decoding_errors(const Object& object, const Object* before) {
  FieldErrors errors;
  check_schema(object, before ? unknown_fields(*before) : std::set<std::string>(), errors);
  return errors.take();
}

std::vector<FieldError> validate_new(const Object& object) {
  if (auto errors = decoding_errors(object, nullptr); !errors.empty()) return errors;
  FieldErrors errors;
  Object complete = completed(object);
  settle_data_sources(complete, nullptr);
  validate_kind(complete, {}, errors);
  return errors.take();
}

std::vector<FieldError> validate_update(const Object& before, const Object& after) {
  if (auto errors = decoding_errors(after, &before); !errors.empty()) return errors;
  FieldErrors errors;
  const Object was = completed(before);
  const Scope scope = names_of(after.kind).namespaced ? Scope::Namespace : Scope::Cluster;
  validate_metadata(after.document, scope, errors);
  validate_metadata_update(was.document, after.document, errors);
  validate_kind(after, tolerance_for(was), errors);
  validate_kind_update(was, after, errors);
  return errors.take();
}

std::string growth_refusal(const Object& before, const Object& after,
                           std::span<const StorageClass> classes) {
  if (after.kind != Kind::PersistentVolumeClaim) return {};
  const auto request = [](const Object& object) {
    return Quantity::from(value_at(object.document, {"spec", "resources", "requests", "storage"}))
        .value_or(Quantity());
  };
  if (request(after) <= request(before)) return {};
  if (text_at(before.document, {"status", "phase"}) != "Bound")
    return "Only bound persistent volume claims can be expanded";
  const std::string name = class_of(after);
  const StorageClass* storage_class =
      name.empty() || name != class_of(before) ? nullptr : find_class(classes, name);
  if (storage_class && storage_class->allows_expansion) return {};
  return "only dynamically provisioned pvc can be resized and the storageclass that provisions the "
         "pvc must support resize";
}

}  // namespace claimfs::volumes
