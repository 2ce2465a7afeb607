#include <algorithm>
#include <sstream>

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
  if (!present || capacity.size() != 1 || !capacity.contains("storage")) {
    errors.unsupported("spec.capacity", capacity, {"storage"});
  }
  if (!present) return;
  for (const auto& [key, value] : capacity.items()) {
    const std::string field = "spec.capacity[" + key + "]";
    const auto parsed =
        Quantity::parse(value.is_string() ? value.get<std::string>() : value.dump());
    if (!parsed) {
      errors.invalid(field, value, parsed.error());
      continue;
    }
    if (parsed->is_negative())
      errors.invalid(field, parsed->bytes(), "must be a valid resource quantity");
    if (*parsed <= Quantity()) errors.invalid(field, parsed->text(), "must be greater than zero");
  }
}

bool has_parent_step(const std::string& path) {
  std::istringstream steps(path);
  for (std::string step; std::getline(steps, step, '/');) {
    if (step == "..") return true;
  }
  return false;
}

// Whether a path is `/` once it is cleaned.
bool is_root(const std::string& path) {
  std::istringstream steps(path);
  for (std::string step; std::getline(steps, step, '/');) {
    if (!step.empty() && step != ".") return false;
  }
  return path.starts_with('/');
}

void validate_path(const std::string& field, const std::string& path, FieldErrors& errors) {
  if (path.empty()) return errors.required(field);
  if (has_parent_step(path)) errors.invalid(field, path, "must not contain '..'");
}

void validate_host_path(const Json& source, FieldErrors& errors) {
  validate_path("spec.hostPath.path", text_at(source, "path"), errors);
  if (text_at(source, "path").empty()) return;
  const std::string type = text_at(source, "type");
  static const std::initializer_list<std::string_view> kTypes = {
      "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
      "File", "FileOrCreate", "Socket"};
  if (std::ranges::find(kTypes, type) == kTypes.end())
    errors.unsupported("spec.hostPath.type", type, kTypes);
}

void validate_nfs(const Json& source, FieldErrors& errors) {
  if (text_at(source, "server").empty()) errors.required("spec.nfs.server");
  const std::string path = text_at(source, "path");
  if (path.empty()) errors.required("spec.nfs.path");
  if (!path.starts_with('/')) errors.invalid("spec.nfs.path", path, "must be an absolute path");
}

void validate_csi(const Json& source, FieldErrors& errors) {
  if (text_at(source, "driver").empty()) errors.required("spec.csi.driver");
  if (text_at(source, "volumeHandle").empty()) errors.required("spec.csi.volumeHandle");
}

void validate_source(const Json& spec, FieldErrors& errors) {
  int count = 0;
  for (std::string_view name : kVolumeSources) {
    const Json& source = value_at(spec, {name});
    if (!source.is_object()) continue;
    if (++count > 1) {
      errors.forbidden("spec." + std::string(name), "may not specify more than 1 volume type");
    } else if (name == "hostPath") {
      validate_host_path(source, errors);
    } else if (name == "nfs") {
      validate_nfs(source, errors);
    } else if (name == "local") {
      validate_path("spec.local.path", text_at(source, "path"), errors);
    } else if (name == "csi") {
      validate_csi(source, errors);
    }
  }
  if (count == 0) errors.required("spec", "must specify a volume type");
}

void validate_node_affinity(const Json& spec, FieldErrors& errors) {
  const Json& affinity = value_at(spec, {"nodeAffinity"});
  if (!affinity.is_object()) {
    if (value_at(spec, {"local"}).is_object())
      errors.required("spec.nodeAffinity", "Local volume requires node affinity");
    return;
  }
  const Json& required = value_at(affinity, {"required"});
  if (!required.is_object()) {
    return errors.required("spec.nodeAffinity.required", "must specify required node constraints");
  }
  const std::string path = "spec.nodeAffinity.required.nodeSelectorTerms";
  const Json& terms = value_at(required, {"nodeSelectorTerms"});
  if (!terms.is_array() || terms.empty())
    return errors.required(path, "must have at least one node selector term");
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::string term = path + "[" + std::to_string(i) + "]";
    validate_requirements(value_at(terms[i], {"matchExpressions"}), term + ".matchExpressions",
                          true, errors);
    validate_requirements(value_at(terms[i], {"matchFields"}), term + ".matchFields", true, errors);
  }
}

Json source_of(const Json& document) {
  Json sources = Json::object();
  for (std::string_view name : kVolumeSources) {
    const Json& source = value_at(document, {"spec", name});
    if (source.is_object()) sources[std::string(name)] = source;
  }
  return sources;
}

}  // namespace

void validate_volume(const Json& document, FieldErrors& errors) {
  const Json& spec = value_at(document, {"spec"});
  validate_access_modes(spec, {}, errors);
  validate_capacity(spec, errors);
  const Json& policy = value_at(spec, {"persistentVolumeReclaimPolicy"});
  if (policy.is_string() && policy != "Delete" && policy != "Recycle" && policy != "Retain") {
    errors.unsupported("spec.persistentVolumeReclaimPolicy", policy,
                       {"Delete", "Recycle", "Retain"});
  }
  validate_node_affinity(spec, errors);
  validate_source(spec, errors);
  if (policy == "Recycle" && is_root(text_at(spec, {"hostPath", "path"}))) {
    errors.forbidden("spec.persistentVolumeReclaimPolicy",
                     "may not be 'recycle' for a hostPath mount of '/'");
  }
  validate_class_name(spec, errors);
  validate_volume_mode(spec, errors);
  if (const Json& name = value_at(spec, {"volumeAttributesClassName"}); name.is_string()) {
    if (name == "")
      errors.required("spec.volumeAttributesClassName", "an empty string is disallowed");
    if (!value_at(spec, {"csi"}).is_object()) {
      errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
    }
  }
  const bool is_directory_of_host =
      value_at(spec, {"hostPath"}).is_object() || value_at(spec, {"local"}).is_object();
  if (is_directory_of_host &&
      value_at(document, {"metadata", "annotations", kBetaMountOptions}).is_string()) {
    errors.forbidden("metadata.annotations." + std::string(kBetaMountOptions),
                     "may not specify mount options for this volume type");
  }
}

void validate_volume_update(const Json& before, const Json& after, FieldErrors& errors) {
  const Json was = source_of(before), is = source_of(after);
  if (was != is) {
    errors.forbidden("spec.persistentvolumesource",
                     "spec.persistentvolumesource is immutable after creation\n  was " +
                         was.dump() + "\n  is  " + is.dump());
  }
  const Json& mode = value_at(after, {"spec", "volumeMode"});
  if (mode != value_at(before, {"spec", "volumeMode"}))
    errors.invalid("volumeMode", mode, "field is immutable");
  const Json& affinity = value_at(before, {"spec", "nodeAffinity"});
  const Json& changed = value_at(after, {"spec", "nodeAffinity"});
  if (!affinity.is_null() && affinity != changed) {
    errors.invalid("nodeAffinity", changed,
                   "field is immutable, except for updating from beta label to GA");
  }
}

}  // namespace claimfs::volumes
