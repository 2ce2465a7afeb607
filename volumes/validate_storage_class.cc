#include <algorithm>

#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"

namespace claimfs::volumes {
namespace {

constexpr std::size_t kMaxParameters = 512;
constexpr std::size_t kMaxParameterBytes = 256 * 1024;

}  // namespace

void validate_storage_class(const Json& document, FieldErrors& errors) {
  std::string provisioner = text_at(document, "provisioner");
  std::ranges::transform(provisioner, provisioner.begin(),
                         [](unsigned char c) { return std::tolower(c); });
  if (provisioner.empty()) {
    errors.required("provisioner");
  } else if (const auto problem = label_key_problem(provisioner)) {
    errors.invalid("provisioner", text_at(document, "provisioner"), *problem);
  }

  const StringMap parameters = string_map(value_at(document, {"parameters"}));
  std::size_t bytes = 0;
  for (const auto& [key, value] : parameters) {
    if (key.empty()) errors.invalid("parameters", key, "field can not be empty.");
    bytes += key.size() + value.size();
  }
  if (parameters.size() > kMaxParameters) {
    errors.too_long("parameters",
                    "may not have more than " + std::to_string(kMaxParameters) + " entries");
  }
  if (bytes > kMaxParameterBytes) {
    errors.too_long("parameters",
                    "may not be more than " + std::to_string(kMaxParameterBytes) + " bytes");
  }

  const Json& policy = value_at(document, {"reclaimPolicy"});
  if (policy.is_string() && policy != "Delete" && policy != "Retain") {
    errors.unsupported("reclaimPolicy", policy, {"Delete", "Retain"});
  }
  const Json& mode = value_at(document, {"volumeBindingMode"});
  if (mode.is_string() && mode != "Immediate" && mode != "WaitForFirstConsumer") {
    errors.unsupported("volumeBindingMode", mode, {"Immediate", "WaitForFirstConsumer"});
  }
  const Json& topologies = value_at(document, {"allowedTopologies"});
  for (std::size_t i = 0; topologies.is_array() && i < topologies.size(); ++i) {
    if (std::find(topologies.begin(), topologies.begin() + static_cast<std::ptrdiff_t>(i),
                  topologies[i]) != topologies.begin() + static_cast<std::ptrdiff_t>(i)) {
      errors.duplicate("allowedTopologies[" + std::to_string(i) + "].matchLabelExpressions", "");
    }
  }
}

void validate_storage_class_update(const Json& before, const Json& after, FieldErrors& errors) {
  for (const char* field : {"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"}) {
    const Json& value = value_at(after, {field});
    if (value != value_at(before, {field})) errors.invalid(field, value, "field is immutable");
  }
}

}  // namespace claimfs::volumes
