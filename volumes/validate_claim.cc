#include "volumes/internal_form.h"
#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"
#include "volumes/quantity.h"

namespace claimfs::volumes {
namespace {

void validate_request(const Json& spec, const std::string& field, FieldErrors& errors) {
  const Json& request = value_at(spec, {"resources", "requests", "storage"});
  if (request.is_null()) return errors.required(field + ".resources[storage]");
  const auto quantity = Quantity::from(request);
  if (quantity && *quantity <= Quantity())
    errors.invalid(field + ".resources[storage]", quantity->text(), "must be greater than zero");
}

void validate_data_source(const Json& source, const std::string& field, Tolerance tolerance,
                          FieldErrors& errors) {
  if (!source.is_object()) return;
  if (text_at(source, "name").empty()) errors.required(field + ".name");
  const std::string kind = text_at(source, "kind");
  if (kind.empty()) errors.required(field + ".kind");
  const std::string group = text_at(source, "apiGroup");
  if (group.empty()) {
    if (kind != "PersistentVolumeClaim") {
      errors.invalid(field, kind,
                     "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
  } else if (!tolerance.data_source_group) {
    errors.invalid(field + ".apiGroup", group, dns_subdomain_problems(group));
  }
  const std::string name_space = text_at(source, "namespace");
  if (!name_space.empty())
    errors.invalid(field + ".namespace", name_space, dns_label_problems(name_space));
}

void validate_data_sources(const Json& spec, const std::string& field, Tolerance tolerance,
                           FieldErrors& errors) {
  const Json& source = value_at(spec, {"dataSource"});
  const Json& reference = value_at(spec, {"dataSourceRef"});
  validate_data_source(source, field + ".dataSource", tolerance, errors);
  validate_data_source(reference, field + ".dataSourceRef", tolerance, errors);
  if (!source.is_object() || !reference.is_object()) return;
  // The bad value is a path, which has nothing to show.
  if (!text_at(reference, "namespace").empty()) {
    errors.invalid(field, Json::object(),
                   "may not be specified when dataSourceRef.namespace is specified");
    return;
  }
  for (const char* key : {"apiGroup", "kind", "name"}) {
    if (value_at(source, {key}) == value_at(reference, {key})) continue;
    errors.invalid(field, Json::object(), "must match dataSourceRef");
  }
}

Quantity quantity_at(const Json& document, std::initializer_list<std::string_view> path) {
  return Quantity::from(value_at(document, path)).value_or(Quantity());
}

bool same_quantities(const Json& left, const Json& right) {
  const std::size_t count = right.is_object() ? right.size() : 0;
  if ((left.is_object() ? left.size() : 0) != count) return false;
  if (count == 0) return true;
  for (const auto& [key, value] : left.items()) {
    if (!right.contains(key) || Quantity::from(value) != Quantity::from(right[key])) return false;
  }
  return true;
}

// Whether two specs mean the same: 1Gi and 1024Mi do.
bool same_spec(Json left, Json right) {
  const Json resources = value_at(left, {"resources"}), others = value_at(right, {"resources"});
  left.erase("resources");
  right.erase("resources");
  return left == right &&
         same_quantities(value_at(resources, {"requests"}), value_at(others, {"requests"})) &&
         same_quantities(value_at(resources, {"limits"}), value_at(others, {"limits"}));
}

// `to[key] = from[key]`, absence included.
void copy_member(const Json& from, Json& to, const char* key) {
  const Json& value = value_at(from, {key});
  if (value.is_null()) {
    to.erase(key);
  } else {
    to[key] = value;
  }
}

// What a claim's class may do: come once, from nothing or out of the annotation. Writes into `is`
// what then counts as unchanged.
void validate_class_update(const Json& before, const Json& after, Json& is, FieldErrors& errors) {
  const Json& old_annotation = value_at(before, {"metadata", "annotations", kBetaStorageClass});
  const Json& annotation = value_at(after, {"metadata", "annotations", kBetaStorageClass});
  const Json& old_name = value_at(before, {"spec", "storageClassName"});
  const Json& name = value_at(after, {"spec", "storageClassName"});
  const bool comes = old_name.is_null() && !name.is_null();
  if (comes && name == old_annotation && (annotation.is_null() || annotation == old_annotation)) {
    is.erase("storageClassName");
    return;
  }
  const auto text = [](const Json& value) { return value.is_null() ? Json("") : value; };
  if (text(annotation) != text(old_annotation)) {
    errors.invalid("metadata.annotations." + std::string(kBetaStorageClass), text(annotation),
                   "field is immutable");
  }
  if (comes && (old_annotation.is_null() || name == old_annotation)) is.erase("storageClassName");
}

void validate_attributes_update(const Json& was, const Json& is, FieldErrors& errors) {
  const std::string field = "spec.volumeAttributesClassName";
  const Json& name = value_at(is, {"volumeAttributesClassName"});
  const Json& old_name = value_at(was, {"volumeAttributesClassName"});
  if (old_name.is_null() || name == old_name) return;
  if (name.is_null()) {
    errors.forbidden(field, "update from non-nil value to nil is forbidden");
  } else if (name == "") {
    errors.forbidden(field, "update from non-nil value to an empty string is forbidden");
  }
}

}  // namespace

void validate_claim_spec(const Json& spec, const std::string& field, Tolerance tolerance,
                         FieldErrors& errors) {
  const Json& modes = value_at(spec, {"accessModes"});
  if (!modes.is_array() || modes.empty())
    errors.required(field + ".accessModes", "at least 1 access mode is required");
  if (const Json& selector = value_at(spec, {"selector"}); selector.is_object())
    validate_label_selector(selector, field + ".selector", tolerance, errors);
  validate_access_modes(spec, field, errors);
  validate_request(spec, field, errors);
  validate_class_name(spec, "storageClassName", field, errors);
  validate_volume_mode(spec, field, errors);
  validate_data_sources(spec, field, tolerance, errors);
  validate_class_name(spec, "volumeAttributesClassName", field, errors);
}

void validate_claim(const Json& document, Tolerance tolerance, FieldErrors& errors) {
  validate_metadata(document, Scope::Namespace, errors);
  validate_claim_spec(value_at(document, {"spec"}), "spec", tolerance, errors);
}

void validate_claim_update(const Json& before, const Json& after, FieldErrors& errors) {
  Json was = value_at(before, {"spec"}), is = value_at(after, {"spec"});
  // What was imported may have none.
  for (Json* spec : {&was, &is}) {
    if (!spec->is_object()) *spec = Json::object();
  }
  // What may change is made equal first.
  if (text_at(was, "volumeName").empty()) copy_member(is, was, "volumeName");
  validate_class_update(before, after, is, errors);
  if (text_at(after, {"status", "phase"}) == "Bound") {
    if (!value_at(is, {"resources", "requests"}).is_null()) {
      const Json& request = value_at(was, {"resources", "requests", "storage"});
      is["resources"]["requests"]["storage"] = request.is_null() ? Json("0") : request;
    }
    if (!value_at(is, {"volumeAttributesClassName"}).is_null())
      copy_member(was, is, "volumeAttributesClassName");
  }
  if (!same_spec(was, is)) {
    errors.forbidden("spec",
                     "spec is immutable after creation except resources.requests and "
                     "volumeAttributesClassName for bound claims\n" +
                         claim_spec_diff(was, is));
  }
  const std::initializer_list<std::string_view> request = {"spec", "resources", "requests",
                                                           "storage"};
  const Quantity size = quantity_at(after, request);
  if (size < quantity_at(before, request) &&
      size <= quantity_at(before, {"status", "capacity", "storage"})) {
    errors.forbidden("spec.resources.requests.storage",
                     "field can not be less than status.capacity");
  }
  const Json& mode = value_at(after, {"spec", "volumeMode"});
  if (mode != value_at(before, {"spec", "volumeMode"}))
    errors.invalid("volumeMode", mode, "field is immutable");
  validate_attributes_update(value_at(before, {"spec"}), value_at(after, {"spec"}), errors);
}

Tolerance tolerance_for_claim(const Json& before) {
  FieldErrors selector;
  validate_label_selector(value_at(before, {"spec", "selector"}), "", {}, selector);
  return {.selector_values = !selector.empty(),
          .data_source_group = !value_at(before, {"spec", "dataSource", "apiGroup"}).is_null() ||
                               !value_at(before, {"spec", "dataSourceRef", "apiGroup"}).is_null()};
}

}  // namespace claimfs::volumes
