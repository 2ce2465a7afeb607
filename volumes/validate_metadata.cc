#include <algorithm>

#include "volumes/go_text.h"
#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"

namespace claimfs::volumes {
namespace {

constexpr std::size_t kMaxAnnotationBytes = 256UL * 1024;
constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

// What follows a prefix is not written yet: it may end in a dash.
std::string without_last_dash(std::string prefix) {
  if (prefix.ends_with('-')) prefix.back() = 'a';
  return prefix;
}

void validate_names(const Json& metadata, Scope scope, FieldErrors& errors) {
  const std::string prefix = text_at(metadata, "generateName");
  if (!prefix.empty()) {
    errors.invalid("metadata.generateName", prefix,
                   dns_subdomain_problems(without_last_dash(prefix)));
  }
  const std::string name = text_at(metadata, "name");
  if (name.empty()) {
    errors.required("metadata.name", "name or generateName is required");
  } else {
    errors.invalid("metadata.name", name, dns_subdomain_problems(name));
  }
  if (scope == Scope::Cluster) return;
  const std::string name_space = text_at(metadata, "namespace");
  if (name_space.empty()) return errors.required("metadata.namespace");
  errors.invalid("metadata.namespace", name_space, dns_label_problems(name_space));
}

// `apps/v1` has a version, `v1` too; none has what is empty or has more than one slash.
std::string version_of(const std::string& api_version) {
  const auto slash = api_version.find('/');
  if (slash == std::string::npos) return api_version;
  if (api_version.find('/', slash + 1) != std::string::npos) return {};
  return api_version.substr(slash + 1);
}

// In the order in which Kubernetes writes it, which is no alphabet's.
std::string owner_text(const Json& owner) {
  std::string text;
  for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
    text += (text.empty() ? "{\"" : ",\"") + std::string(key) +
            "\":" + go_json(Json(text_at(owner, key)));
  }
  for (const char* key : {"controller", "blockOwnerDeletion"}) {
    const Json& value = value_at(owner, {key});
    if (value.is_boolean()) text += ",\"" + std::string(key) + "\":" + go_json(value);
  }
  return text + "}";
}

std::string owners_text(const Json& owners) {
  std::string text;
  for (const Json& owner : owners) text += (text.empty() ? "" : ",") + owner_text(owner);
  return "[" + text + "]";
}

void validate_owners(const Json& owners, FieldErrors& errors) {
  const std::string field = "metadata.ownerReferences";
  if (!owners.is_array()) return;
  std::string controller;
  for (const Json& owner : owners) {
    const std::string version = text_at(owner, "apiVersion");
    if (version_of(version).empty())
      errors.invalid(field + ".apiVersion", version, "version must not be empty");
    for (const char* key : {"kind", "name", "uid"}) {
      if (text_at(owner, key).empty()) errors.invalid(field + "." + key, "", "must not be empty");
    }
    if (version == "v1" && text_at(owner, "kind") == "Event") {
      errors.plain(field, field + ": Invalid value: " + owner_text(owner) +
                              ": /v1, Kind=Event is disallowed from being an owner");
    }
    if (value_at(owner, {"controller"}) != Json(true)) continue;
    const std::string name = text_at(owner, "kind") + "/" + text_at(owner, "name");
    if (controller.empty()) {
      controller = name;
    } else {
      errors.plain(field, field + ": Invalid value: " + owners_text(owners) +
                              ": Only one reference can have Controller set to true. Found "
                              "\"true\" in references for " +
                              controller + " and " + name);
    }
  }
}

void validate_finalizers(const Json& finalizers, FieldErrors& errors) {
  const std::string field = "metadata.finalizers";
  const std::vector<std::string> names = string_list(finalizers);
  for (const std::string& name : names) errors.invalid(field, name, label_key_problems(name));
  const auto has = [&names](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (has(kOrphan) && has(kForeground)) {
    errors.invalid(field, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
  }
}

void validate_managers(const Json& managers, FieldErrors& errors) {
  if (!managers.is_array()) return;
  for (std::size_t i = 0; i < managers.size(); ++i) {
    const std::string field = "metadata.managedFields[" + std::to_string(i) + "]";
    const std::string operation = text_at(managers[i], "operation");
    if (operation != "Apply" && operation != "Update")
      errors.invalid(field + ".operation", operation, "must be `Apply` or `Update`");
    const std::string type = text_at(managers[i], "fieldsType");
    if (!type.empty() && type != "FieldsV1")
      errors.invalid(field + ".fieldsType", type, "must be `FieldsV1`");
  }
}

// `[]string{"a", "b"}`, sorted and each once: so the message lists them.
std::string list_text(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + go_quoted(name);
  return "[]string{" + text + "}";
}

}  // namespace

void validate_labels(const Json& labels, const std::string& field, FieldErrors& errors) {
  for (const auto& [key, value] : string_map(labels)) {
    errors.invalid(field, key, label_key_problems(key));
    errors.invalid(field, value, label_value_problems(value));
  }
}

void validate_annotations(const Json& annotations, const std::string& field, FieldErrors& errors) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : string_map(annotations)) {
    errors.invalid(field, key, annotation_key_problems(key));
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxAnnotationBytes) errors.too_long(field, kMaxAnnotationBytes);
}

void validate_metadata(const Json& document, Scope scope, FieldErrors& errors) {
  const Json& metadata = value_at(document, {"metadata"});
  validate_names(metadata, scope, errors);
  const Json& generation = value_at(metadata, {"generation"});
  if (generation.is_number_integer() && generation < 0)
    errors.invalid("metadata.generation", generation, "must be greater than or equal to 0");
  validate_labels(value_at(metadata, {"labels"}), "metadata.labels", errors);
  validate_annotations(value_at(metadata, {"annotations"}), "metadata.annotations", errors);
  validate_owners(value_at(metadata, {"ownerReferences"}), errors);
  validate_finalizers(value_at(metadata, {"finalizers"}), errors);
  validate_managers(value_at(metadata, {"managedFields"}), errors);
  const std::vector<std::string> finalizers = string_list(value_at(metadata, {"finalizers"}));
  for (std::size_t i = 0; i < finalizers.size(); ++i) {
    const std::string& name = finalizers[i];
    if (name.find('/') != std::string::npos) continue;
    if (name == "kubernetes" || name == kOrphan || name == kForeground) continue;
    errors.invalid("metadata.finalizers[" + std::to_string(i) + "]", name,
                   "name is neither a standard finalizer name nor is it fully qualified");
  }
}

void validate_metadata_update(const Json& before, const Json& after, FieldErrors& errors) {
  const Json& was = value_at(before, {"metadata"});
  const Json& is = value_at(after, {"metadata"});
  if (!text_at(was, "deletionTimestamp").empty()) {
    const auto old_names = string_list(value_at(was, {"finalizers"}));
    std::vector<std::string> added = string_list(value_at(is, {"finalizers"}));
    std::erase_if(added, [&](const std::string& name) {
      return std::ranges::find(old_names, name) != old_names.end();
    });
    if (!added.empty()) {
      errors.forbidden("metadata.finalizers",
                       "no new finalizers can be added if the object is being deleted, found new "
                       "finalizers " +
                           list_text(std::move(added)));
    }
  }
  const auto immutable = [&](const char* key, const Json& nothing) {
    const Json& value = value_at(is, {key});
    if (value == value_at(was, {key})) return;
    errors.invalid("metadata." + std::string(key), value.is_null() ? nothing : value,
                   "field is immutable");
  };
  immutable("name", "");
  immutable("namespace", "");
  immutable("uid", "");
  immutable("creationTimestamp", nullptr);
  immutable("deletionTimestamp", nullptr);
  immutable("deletionGracePeriodSeconds", nullptr);
}

}  // namespace claimfs::volumes
