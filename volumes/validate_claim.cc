#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"
#include "volumes/quantity.h"

namespace claimfs::volumes {
namespace {

void validate_request(const Json& spec, FieldErrors& errors) {
  const std::string field = "spec.resources[storage]";
  const Json& request = value_at(spec, {"resources", "requests", "storage"});
  if (request.is_null()) return errors.required(field);
  const auto parsed =
      Quantity::parse(request.is_string() ? request.get<std::string>() : request.dump());
  if (!parsed) return errors.invalid("spec.resources.requests[storage]", request, parsed.error());
  if (*parsed <= Quantity()) errors.invalid(field, parsed->text(), "must be greater than zero");
}

void validate_data_source(const Json& spec, const char* key, FieldErrors& errors) {
  const Json& source = value_at(spec, {key});
  if (!source.is_object()) return;
  const std::string field = "spec." + std::string(key);
  if (text_at(source, "name").empty()) errors.required(field + ".name");
  const std::string kind = text_at(source, "kind");
  if (kind.empty()) errors.required(field + ".kind");
  if (text_at(source, "apiGroup").empty() && !kind.empty() && kind != "PersistentVolumeClaim") {
    errors.invalid(field, kind,
                   "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  }
}

Json without(Json spec, std::initializer_list<const char*> keys) {
  for (const char* key : keys) spec.erase(key);
  return spec;
}

Quantity request_of(const Json& document) {
  return Quantity::from(value_at(document, {"spec", "resources", "requests", "storage"}))
      .value_or(Quantity());
}

}  // namespace

void validate_claim(const Json& document, FieldErrors& errors) {
  const Json& spec = value_at(document, {"spec"});
  validate_access_modes(spec, "at least 1 access mode is required", errors);
  if (const Json& selector = value_at(spec, {"selector"}); selector.is_object()) {
    for (const auto& [key, value] : string_map(value_at(selector, {"matchLabels"}))) {
      if (const auto problem = label_key_problem(key))
        errors.invalid("spec.selector.matchLabels", key, *problem);
      if (const auto problem = label_value_problem(value))
        errors.invalid("spec.selector.matchLabels", value, *problem);
    }
    validate_requirements(value_at(selector, {"matchExpressions"}),
                          "spec.selector.matchExpressions", false, errors);
  }
  validate_request(spec, errors);
  validate_class_name(spec, errors);
  validate_volume_mode(spec, errors);
  validate_data_source(spec, "dataSource", errors);
  validate_data_source(spec, "dataSourceRef", errors);
  const Json& source = value_at(spec, {"dataSource"});
  const Json& reference = value_at(spec, {"dataSourceRef"});
  if (source.is_object() && reference.is_object() && source != reference) {
    errors.invalid("spec", Json::object(), "must match dataSourceRef");
  }
}

void validate_claim_update(const Json& before, const Json& after, FieldErrors& errors) {
  const Json& was = value_at(before, {"spec"});
  const Json& is = value_at(after, {"spec"});
  Json allowed_was = was, allowed_is = is;
  if (text_at(was, "volumeName").empty()) {
    allowed_was.erase("volumeName");
    allowed_is.erase("volumeName");
  }
  if (!was.contains("storageClassName")) allowed_is.erase("storageClassName");
  if (text_at(before, {"status", "phase"}) == "Bound") {
    allowed_was = without(std::move(allowed_was), {"volumeAttributesClassName"});
    allowed_is = without(std::move(allowed_is), {"volumeAttributesClassName"});
    if (is.contains("resources") &&
        value_at(is, {"resources", "requests", "storage"}).is_string()) {
      allowed_is["resources"]["requests"]["storage"] =
          value_at(was, {"resources", "requests", "storage"});
    }
  }
  if (allowed_was != allowed_is) {
    errors.forbidden("spec",
                     "spec is immutable after creation except resources.requests and "
                     "volumeAttributesClassName for bound "
                     "claims\n  was " +
                         was.dump() + "\n  is  " + is.dump());
  }
  if (request_of(after) < request_of(before)) {
    const auto capacity = Quantity::from(value_at(before, {"status", "capacity", "storage"}));
    if (!capacity || request_of(after) <= *capacity) {
      errors.forbidden("spec.resources.requests.storage",
                       "field can not be less than status.capacity");
    }
  }
  const Json& old_class = value_at(before, {"metadata", "annotations", kBetaStorageClass});
  const Json& new_class = value_at(after, {"metadata", "annotations", kBetaStorageClass});
  if (old_class != new_class && !old_class.is_null()) {
    errors.invalid("metadata.annotations." + std::string(kBetaStorageClass),
                   new_class.is_null() ? Json("") : new_class, "field is immutable");
  }
}

}  // namespace claimfs::volumes
