#pragma once

#include <string>

#include "volumes/field_errors.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// What an older version of an object may go on having, although a new one could not. Source: the
// ValidationOptionsFor… of Kubernetes' core validation.
struct Tolerance {
  bool selector_values = false;  // label values that are none, in a selector or node affinity
  bool data_source_group = false;
};

enum class Scope { Cluster, Namespace };

// What each kind checks of itself, metadata included; validation.h puts them together.
void validate_volume(const Json& document, Tolerance tolerance, FieldErrors& errors);
void validate_volume_update(const Json& before, const Json& after, FieldErrors& errors);
void validate_claim(const Json& document, Tolerance tolerance, FieldErrors& errors);
void validate_claim_update(const Json& before, const Json& after, FieldErrors& errors);
void validate_storage_class(const Json& document, FieldErrors& errors);
void validate_storage_class_update(const Json& before, const Json& after, FieldErrors& errors);
void validate_pod(const Json& document, FieldErrors& errors);
void validate_pod_update(const Json& before, const Json& after, FieldErrors& errors);

// What the older version may have kept that way.
Tolerance tolerance_for_volume(const Json& before);
Tolerance tolerance_for_claim(const Json& before);

// Of every kind.
void validate_metadata(const Json& document, Scope scope, FieldErrors& errors);
void validate_metadata_update(const Json& before, const Json& after, FieldErrors& errors);
void validate_labels(const Json& labels, const std::string& field, FieldErrors& errors);
void validate_annotations(const Json& annotations, const std::string& field, FieldErrors& errors);

// What volumes, claims and the claims of a Pod's ephemeral volumes share; `field` is their spec's.
void validate_claim_spec(const Json& spec, const std::string& field, Tolerance tolerance,
                         FieldErrors& errors);
void validate_source(const Json& spec, FieldErrors& errors);
void validate_access_modes(const Json& spec, const std::string& field, FieldErrors& errors);
void validate_volume_mode(const Json& spec, const std::string& field, FieldErrors& errors);
void validate_class_name(const Json& spec, const char* key, const std::string& field,
                         FieldErrors& errors);

// What chooses objects by their labels.
void validate_label_selector(const Json& selector, const std::string& field, Tolerance tolerance,
                             FieldErrors& errors);
void validate_node_selector(const Json& selector, const std::string& field, Tolerance tolerance,
                            FieldErrors& errors);
void validate_topologies(const Json& topologies, const std::string& field, FieldErrors& errors);

}  // namespace claimfs::volumes
