#include <algorithm>
#include <cctype>

#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"

namespace claimfs::volumes {
namespace {

constexpr std::size_t kMaxParameters = 512;
constexpr std::size_t kMaxParameterBytes = 256UL * 1024;

void validate_provisioner(const std::string& provisioner, FieldErrors& errors) {
  if (provisioner.empty()) return errors.required("provisioner");
  std::string lower = provisioner;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  // The name that is shown is the one that was looked at.
  errors.invalid("provisioner", lower, label_key_problems(lower));
}

void validate_parameters(const StringMap& parameters, FieldErrors& errors) {
  // Too many of them are called too many bytes.
  if (parameters.size() > kMaxParameters) return errors.too_long("parameters", kMaxParameters);
  std::size_t bytes = 0;
  for (const auto& [key, value] : parameters) {
    if (key.empty()) errors.invalid("parameters", key, "field can not be empty.");
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxParameterBytes) errors.too_long("parameters", kMaxParameterBytes);
}

}  // namespace

void validate_storage_class(const Json& document, FieldErrors& errors) {
  validate_metadata(document, Scope::Cluster, errors);
  validate_provisioner(text_at(document, "provisioner"), errors);
  validate_parameters(string_map(value_at(document, {"parameters"})), errors);
  const std::string policy = text_at(document, "reclaimPolicy");
  if (!policy.empty() && policy != "Delete" && policy != "Retain")
    errors.unsupported("reclaimPolicy", policy, {"Delete", "Retain"});
  const Json& mode = value_at(document, {"volumeBindingMode"});
  if (mode.is_null()) {
    errors.required("volumeBindingMode");
  } else if (mode != "Immediate" && mode != "WaitForFirstConsumer") {
    errors.unsupported("volumeBindingMode", mode, {"Immediate", "WaitForFirstConsumer"});
  }
  validate_topologies(value_at(document, {"allowedTopologies"}), "allowedTopologies", errors);
}

void validate_storage_class_update(const Json& before, const Json& after, FieldErrors& errors) {
  for (const char* field : {"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"}) {
    const Json& value = value_at(after, {field});
    if (value != value_at(before, {field})) errors.invalid(field, value, "field is immutable");
  }
}

}  // namespace claimfs::volumes
