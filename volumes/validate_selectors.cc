#include <algorithm>
#include <map>
#include <set>

#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"

namespace claimfs::volumes {
namespace {

constexpr const char* kNoOperator = "not a valid selector operator";

enum class Chooses { Objects, Nodes };

std::string at(const std::string& field, std::size_t index) {
  return field + "[" + std::to_string(index) + "]";
}

void validate_operator(const Json& requirement, const std::string& field, Chooses what,
                       FieldErrors& errors) {
  const Json& values = value_at(requirement, {"values"});
  const std::size_t count = values.is_array() ? values.size() : 0;
  const std::string op = text_at(requirement, "operator");
  if (op == "In" || op == "NotIn") {
    if (count > 0) return;
    errors.required(field + ".values", "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (count == 0) return;
    errors.forbidden(field + ".values",
                     "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (what == Chooses::Nodes && (op == "Gt" || op == "Lt")) {
    if (count == 1) return;
    errors.required(field + ".values",
                    "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else {
    errors.invalid(field + ".operator", op, kNoOperator);
  }
}

void validate_values(const Json& requirement, const std::string& field, FieldErrors& errors) {
  const std::vector<std::string> values = string_list(value_at(requirement, {"values"}));
  for (std::size_t i = 0; i < values.size(); ++i)
    errors.invalid(at(field + ".values", i), values[i], label_value_problems(values[i]));
}

void validate_key(const Json& requirement, const std::string& field, FieldErrors& errors) {
  const std::string key = text_at(requirement, "key");
  errors.invalid(field + ".key", key, label_key_problems(key));
}

void validate_requirement(const Json& requirement, const std::string& field, Chooses what,
                          Tolerance tolerance, FieldErrors& errors) {
  validate_operator(requirement, field, what, errors);
  validate_key(requirement, field, errors);
  if (!tolerance.selector_values) validate_values(requirement, field, errors);
}

// Nodes have one field that can be chosen by: their name.
void validate_field_requirement(const Json& requirement, const std::string& field,
                                FieldErrors& errors) {
  const std::vector<std::string> values = string_list(value_at(requirement, {"values"}));
  const std::string op = text_at(requirement, "operator");
  if (op != "In" && op != "NotIn") {
    errors.invalid(field + ".operator", op, kNoOperator);
  } else if (values.size() != 1) {
    errors.required(
        field + ".values",
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  }
  const std::string key = text_at(requirement, "key");
  if (key != "metadata.name")
    return errors.invalid(field + ".key", key, "not a valid field selector key");
  for (std::size_t i = 0; i < values.size(); ++i)
    errors.invalid(at(field + ".values", i), values[i], dns_subdomain_problems(values[i]));
}

using Topology = std::map<std::string, std::set<std::string>>;

Topology validate_topology(const Json& term, const std::string& field, FieldErrors& errors) {
  Topology topology;
  const Json& expressions = value_at(term, {"matchLabelExpressions"});
  for (std::size_t i = 0; expressions.is_array() && i < expressions.size(); ++i) {
    const std::string where = at(field + ".matchLabelExpressions", i);
    const std::vector<std::string> values = string_list(value_at(expressions[i], {"values"}));
    if (values.empty()) errors.required(where + ".values");
    std::set<std::string> known;
    for (std::size_t j = 0; j < values.size(); ++j) {
      if (!known.insert(values[j]).second) errors.duplicate(at(where + ".values", j), values[j]);
    }
    const std::string key = text_at(expressions[i], "key");
    validate_key(expressions[i], where, errors);
    if (topology.contains(key)) errors.duplicate(where + ".key", key);
    topology[key] = std::move(known);
  }
  return topology;
}

}  // namespace

void validate_label_selector(const Json& selector, const std::string& field, Tolerance tolerance,
                             FieldErrors& errors) {
  validate_labels(value_at(selector, {"matchLabels"}), field + ".matchLabels", errors);
  const Json& expressions = value_at(selector, {"matchExpressions"});
  for (std::size_t i = 0; expressions.is_array() && i < expressions.size(); ++i) {
    validate_requirement(expressions[i], at(field + ".matchExpressions", i), Chooses::Objects,
                         tolerance, errors);
  }
}

void validate_node_selector(const Json& selector, const std::string& field, Tolerance tolerance,
                            FieldErrors& errors) {
  const std::string path = field + ".nodeSelectorTerms";
  const Json& terms = value_at(selector, {"nodeSelectorTerms"});
  if (!terms.is_array() || terms.empty())
    return errors.required(path, "must have at least one node selector term");
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Json& expressions = value_at(terms[i], {"matchExpressions"});
    for (std::size_t j = 0; expressions.is_array() && j < expressions.size(); ++j) {
      validate_requirement(expressions[j], at(at(path, i) + ".matchExpressions", j), Chooses::Nodes,
                           tolerance, errors);
    }
    const Json& fields = value_at(terms[i], {"matchFields"});
    for (std::size_t j = 0; fields.is_array() && j < fields.size(); ++j)
      validate_field_requirement(fields[j], at(at(path, i) + ".matchFields", j), errors);
  }
}

void validate_topologies(const Json& topologies, const std::string& field, FieldErrors& errors) {
  if (!topologies.is_array()) return;
  // Kubernetes compares with a list that begins with an empty term, so that an empty one is its
  // own duplicate.
  std::vector<Topology> known(1);
  for (std::size_t i = 0; i < topologies.size(); ++i) {
    Topology topology = validate_topology(topologies[i], at(field, i), errors);
    if (std::ranges::find(known, topology) != known.end())
      errors.duplicate(at(field, i) + ".matchLabelExpressions", "");
    known.push_back(std::move(topology));
  }
}

}  // namespace claimfs::volumes
