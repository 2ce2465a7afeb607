#pragma once

#include <string>

#include "volumes/object.h"

namespace claimfs::volumes {

// How Kubernetes prints a part of a specification where it compares two of them: with the names of
// its own structures, every field of them, in their order. Source: pkg/apis/core/types.go.

// Of spec.nodeAffinity, on one line.
Json node_affinity_form(const Json& affinity);

// What differs between two claims' specs, or between the sources of two volumes' specs; without the
// newline at its end. Source: apimachinery/util/diff on those structures' JSON.
std::string claim_spec_diff(const Json& before, const Json& after);
std::string volume_source_diff(const Json& before, const Json& after);

}  // namespace claimfs::volumes
