#include <algorithm>
#include <array>
#include <utility>

#include "volumes/internal_form.h"
#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"
#include "volumes/quantity.h"
#include "volumes/volume.h"

namespace claimfs::volumes {
namespace {

void validate_capacity(const Json& spec, FieldErrors& errors) {
  const Json& capacity = value_at(spec, {"capacity"});
  const bool present = capacity.is_object() && !capacity.empty();
  if (!present) errors.required("spec.capacity");
  if (!present || capacity.size() != 1 || !capacity.contains("storage"))
    errors.unsupported("spec.capacity", capacity, {"storage"});
  if (!present) return;
  for (const auto& [key, value] : capacity.items()) {
    const std::string field = "spec.capacity[" + key + "]";
    const auto quantity = Quantity::from(value);
    if (!quantity) continue;  // the schema has complained
    if (quantity->is_negative())
      errors.invalid(field, quantity->bytes(), "must be a valid resource quantity");
    if (*quantity <= Quantity())
      errors.invalid(field, quantity->text(), "must be greater than zero");
  }
}

void validate_node_affinity(const Json& affinity, Tolerance tolerance, FieldErrors& errors) {
  if (!affinity.is_object()) return;
  const Json& required = value_at(affinity, {"required"});
  if (required.is_object()) {
    validate_node_selector(required, "spec.nodeAffinity.required", tolerance, errors);
  } else {
    errors.required("spec.nodeAffinity.required", "must specify required node constraints");
  }
}

void validate_attributes_class(const Json& spec, FieldErrors& errors) {
  const Json& name = value_at(spec, {"volumeAttributesClassName"});
  if (!name.is_string()) return;
  if (name == "") {
    errors.required("spec.volumeAttributesClassName", "an empty string is disallowed");
  } else {
    validate_class_name(spec, "volumeAttributesClassName", "spec", errors);
  }
  if (!value_at(spec, {"csi"}).is_object())
    errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
}

// Source: pkg/volume/validation. What has none of these sources cannot be mounted with options.
bool takes_mount_options(const Json& spec) {
  constexpr std::array<std::string_view, 13> kSources = {"gcePersistentDisk",
                                                         "awsElasticBlockStore",
                                                         "glusterfs",
                                                         "nfs",
                                                         "rbd",
                                                         "quobyte",
                                                         "iscsi",
                                                         "cinder",
                                                         "cephfs",
                                                         "azureFile",
                                                         "azureDisk",
                                                         "vsphereVolume",
                                                         "photonPersistentDisk"};
  return std::ranges::any_of(
      kSources, [&spec](std::string_view name) { return value_at(spec, {name}).is_object(); });
}

Json source_of(const Json& document) {
  Json sources = Json::object();
  for (std::string_view name : kVolumeSources) {
    const Json& source = value_at(document, {"spec", name});
    if (source.is_object()) sources[std::string(name)] = source;
  }
  return sources;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRenamedLabels = {
    {{"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
     {"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
     {"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"},
     {"beta.kubernetes.io/os", "kubernetes.io/os"},
     {"beta.kubernetes.io/arch", "kubernetes.io/arch"}}};

// `before` with the beta labels renamed where `after` has renamed them, and not elsewhere.
Json with_renamed_labels(Json before, const Json& after) {
  if (before.is_string() && after.is_string()) {
    for (const auto& [beta, stable] : kRenamedLabels) {
      if (before == beta && after == stable) return after;
    }
  } else if (before.is_object() && after.is_object()) {
    for (const auto& [key, value] : before.items()) {
      if (after.contains(key)) before[key] = with_renamed_labels(value, after[key]);
    }
  } else if (before.is_array() && after.is_array() && before.size() == after.size()) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!before[i].is_string()) before[i] = with_renamed_labels(before[i], after[i]);
    }
  }
  return before;
}

}  // namespace

void validate_volume(const Json& document, Tolerance tolerance, FieldErrors& errors) {
  validate_metadata(document, Scope::Cluster, errors);
  const Json& spec = value_at(document, {"spec"});
  const Json& modes = value_at(spec, {"accessModes"});
  if (!modes.is_array() || modes.empty()) errors.required("spec.accessModes");
  validate_access_modes(spec, "spec", errors);
  validate_capacity(spec, errors);
  const std::string policy = text_at(spec, "persistentVolumeReclaimPolicy");
  if (!policy.empty() && policy != "Delete" && policy != "Recycle" && policy != "Retain") {
    errors.unsupported("spec.persistentVolumeReclaimPolicy", policy,
                       {"Delete", "Recycle", "Retain"});
  }
  validate_node_affinity(value_at(spec, {"nodeAffinity"}), tolerance, errors);
  validate_source(spec, errors);
  validate_class_name(spec, "storageClassName", "spec", errors);
  validate_volume_mode(spec, "spec", errors);
  validate_attributes_class(spec, errors);
  if (!takes_mount_options(spec) &&
      value_at(document, {"metadata", "annotations", kBetaMountOptions}).is_string()) {
    errors.forbidden("metadata.annotations." + std::string(kBetaMountOptions),
                     "may not specify mount options for this volume type");
  }
}

void validate_volume_update(const Json& before, const Json& after, FieldErrors& errors) {
  Json was = source_of(before), is = source_of(after);
  // The one part of a source that may come later.
  constexpr const char* kExpandSecret = "controllerExpandSecretRef";
  if (was.contains("csi") && !was["csi"].contains(kExpandSecret) && is.contains("csi"))
    is["csi"].erase(kExpandSecret);
  if (was != is) {
    errors.forbidden(
        "spec.persistentvolumesource",
        "spec.persistentvolumesource is immutable after creation\n" + volume_source_diff(was, is));
  }
  const Json& mode = value_at(after, {"spec", "volumeMode"});
  if (mode != value_at(before, {"spec", "volumeMode"}))
    errors.invalid("volumeMode", mode, "field is immutable");
  const Json& affinity = value_at(before, {"spec", "nodeAffinity"});
  const Json& changed = value_at(after, {"spec", "nodeAffinity"});
  if (!affinity.is_null() && with_renamed_labels(affinity, changed) != changed) {
    errors.invalid("nodeAffinity", node_affinity_form(changed),
                   "field is immutable, except for updating from beta label to GA");
  }
  if (!value_at(before, {"spec", "volumeAttributesClassName"}).is_null() &&
      value_at(after, {"spec", "volumeAttributesClassName"}).is_null()) {
    errors.forbidden("spec.volumeAttributesClassName",
                     "update from non-nil value to nil is forbidden");
  }
}

Tolerance tolerance_for_volume(const Json& before) {
  const Json& terms = value_at(before, {"spec", "nodeAffinity", "required", "nodeSelectorTerms"});
  Tolerance tolerance;
  for (std::size_t i = 0; terms.is_array() && i < terms.size(); ++i) {
    const Json& expressions = value_at(terms[i], {"matchExpressions"});
    for (std::size_t j = 0; expressions.is_array() && j < expressions.size(); ++j) {
      for (const std::string& value : string_list(value_at(expressions[j], {"values"})))
        tolerance.selector_values |= label_value_problem(value).has_value();
    }
  }
  return tolerance;
}

}  // namespace claimfs::volumes
