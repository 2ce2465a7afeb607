#include "volumes/validation.h"

#include "volumes/access_modes.h"
#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"
#include "volumes/quantity.h"
#include "volumes/schema.h"

namespace claimfs::volumes {
namespace {

constexpr std::size_t kMaxAnnotationBytes = 256 * 1024;

void validate_metadata(const Object& object, FieldErrors& errors) {
  const Json& metadata = value_at(object.document, {"metadata"});
  const std::string name = text_at(metadata, "name");
  if (name.empty()) {
    errors.required("metadata.name", "name or generateName is required");
  } else if (const auto problem = dns_subdomain_problem(name)) {
    errors.invalid("metadata.name", name, *problem);
  }
  if (names_of(object.kind).namespaced) {
    const std::string name_space = text_at(metadata, "namespace");
    if (name_space.empty()) {
      errors.required("metadata.namespace");
    } else if (const auto problem = dns_label_problem(name_space)) {
      errors.invalid("metadata.namespace", name_space, *problem);
    }
  }
  for (const auto& [key, value] : string_map(value_at(metadata, {"labels"}))) {
    if (const auto problem = label_key_problem(key))
      errors.invalid("metadata.labels", key, *problem);
    if (const auto problem = label_value_problem(value))
      errors.invalid("metadata.labels", value, *problem);
  }
  std::size_t annotation_bytes = 0;
  for (const auto& [key, value] : string_map(value_at(metadata, {"annotations"}))) {
    if (const auto problem = label_key_problem(key))
      errors.invalid("metadata.annotations", key, *problem);
    annotation_bytes += key.size() + value.size();
  }
  if (annotation_bytes > kMaxAnnotationBytes) {
    errors.too_long("metadata.annotations",
                    "may not be more than " + std::to_string(kMaxAnnotationBytes) + " bytes");
  }
}

void validate_pod(const Json& document, FieldErrors& errors) {
  const Json& volumes = value_at(document, {"spec", "volumes"});
  if (!volumes.is_array()) return;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const Json& claim = value_at(volumes[i], {"persistentVolumeClaim"});
    if (claim.is_object() && text_at(claim, "claimName").empty()) {
      errors.required("spec.volumes[" + std::to_string(i) + "].persistentVolumeClaim.claimName");
    }
  }
}

// Finalizers and what deletion has made final. Source: apimachinery ValidateObjectMetaUpdate.
void validate_metadata_update(const Object& before, const Object& after, FieldErrors& errors) {
  const Metadata old_metadata = Metadata::from(before.document);
  const Metadata new_metadata = Metadata::from(after.document);
  const auto immutable = [&errors](const char* field, const std::string& was,
                                   const std::string& is) {
    if (was != is) errors.invalid(field, is, "field is immutable");
  };
  immutable("metadata.uid", old_metadata.uid, new_metadata.uid);
  immutable("metadata.creationTimestamp", old_metadata.created, new_metadata.created);
  immutable("metadata.deletionTimestamp", old_metadata.deletion, new_metadata.deletion);
  if (!old_metadata.is_deleting()) return;
  Json added = Json::array();
  for (const std::string& finalizer : new_metadata.finalizers) {
    if (!old_metadata.has_finalizer(finalizer)) added.push_back(finalizer);
  }
  if (added.empty()) return;
  errors.forbidden(
      "metadata.finalizers",
      "no new finalizers can be added if the object is being deleted, found new finalizers " +
          added.dump());
}

}  // namespace

void validate_access_modes(const Json& spec, std::string_view detail_when_missing,
                           FieldErrors& errors) {
  const Json& modes = value_at(spec, {"accessModes"});
  if (!modes.is_array() || modes.empty())
    return errors.required("spec.accessModes", detail_when_missing);
  for (const Json& mode : modes) {
    if (!access_mode_from(mode.get_ref<const std::string&>())) {
      errors.unsupported("spec.accessModes", mode,
                         {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"});
    }
  }
  const auto known = AccessModes::from(modes);
  if (known.has(AccessMode::ReadWriteOncePod) && known.count() > 1) {
    errors.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
  }
}

void validate_volume_mode(const Json& spec, FieldErrors& errors) {
  const Json& mode = value_at(spec, {"volumeMode"});
  if (mode.is_string() && mode != "Block" && mode != "Filesystem") {
    errors.unsupported("spec.volumeMode", mode, {"Block", "Filesystem"});
  }
}

void validate_class_name(const Json& spec, FieldErrors& errors) {
  const std::string name = text_at(spec, "storageClassName");
  if (name.empty()) return;
  if (const auto problem = dns_subdomain_problem(name))
    errors.invalid("spec.storageClassName", name, *problem);
}

void validate_requirements(const Json& expressions, const std::string& path, bool is_for_nodes,
                           FieldErrors& errors) {
  if (!expressions.is_array()) return;
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    const Json& expression = expressions[i];
    const std::string where = path + "[" + std::to_string(i) + "]";
    const Json& values = value_at(expression, {"values"});
    const bool has_values = values.is_array() && !values.empty();
    const std::string op = text_at(expression, "operator");
    if (op == "In" || op == "NotIn") {
      if (!has_values) {
        errors.required(where + ".values", "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (has_values) {
        errors.forbidden(where + ".values",
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else if (is_for_nodes && (op == "Gt" || op == "Lt")) {
      if (!values.is_array() || values.size() != 1) {
        errors.required(where + ".values",
                        "must be specified single value when `operator` is 'Lt' or 'Gt'");
      }
    } else {
      errors.invalid(where + ".operator", op, "not a valid selector operator");
    }
    const std::string key = text_at(expression, "key");
    if (const auto problem = label_key_problem(key)) errors.invalid(where + ".key", key, *problem);
    if (is_for_nodes) continue;
    for (std::size_t j = 0; has_values && j < values.size(); ++j) {
      if (const auto problem = label_value_problem(values[j].get_ref<const std::string&>())) {
        errors.invalid(where + ".values[" + std::to_string(j) + "]", values[j], *problem);
      }
    }
  }
}

std::vector<FieldError> validate_new(const Object& object) {
  FieldErrors errors;
  check_schema(object, errors);
  // Of wrong types nothing more can be said; unknown fields alone would not hinder.
  if (!errors.empty()) return errors.take();
  validate_metadata(object, errors);
  switch (object.kind) {
    case Kind::PersistentVolume:
      validate_volume(object.document, errors);
      break;
    case Kind::PersistentVolumeClaim:
      validate_claim(object.document, errors);
      break;
    case Kind::StorageClass:
      validate_storage_class(object.document, errors);
      break;
    case Kind::Pod:
      validate_pod(object.document, errors);
      break;
    case Kind::Event:
    case Kind::Attachment:
      break;
  }
  return errors.take();
}

std::vector<FieldError> validate_update(const Object& before, const Object& after) {
  FieldErrors errors;
  for (const FieldError& error : validate_new(after)) errors.plain(error.field, error.message);
  if (!errors.empty()) return errors.take();
  validate_metadata_update(before, after, errors);
  switch (after.kind) {
    case Kind::PersistentVolume:
      validate_volume_update(before.document, after.document, errors);
      break;
    case Kind::PersistentVolumeClaim:
      validate_claim_update(before.document, after.document, errors);
      break;
    case Kind::StorageClass:
      validate_storage_class_update(before.document, after.document, errors);
      break;
    case Kind::Pod:
    case Kind::Event:
    case Kind::Attachment:
      break;
  }
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
  const std::string name = text_at(before.document, {"spec", "storageClassName"});
  const StorageClass* storage_class = name.empty() ? nullptr : find_class(classes, name);
  if (storage_class && storage_class->allows_expansion) return {};
  return "only dynamically provisioned pvc can be resized and the storageclass that provisions the "
         "pvc must support resize";
}

}  // namespace claimfs::volumes
