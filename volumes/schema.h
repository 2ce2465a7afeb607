#pragma once

#include <set>
#include <string>

#include "volumes/field_errors.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// Complains about fields that the kind does not have, all in one sentence (`strict decoding error:
// unknown field "spec.foo", unknown field "spec.bar"`), and about values of the wrong type or that
// are no quantities, as Kubernetes' strict decoding does. Validation may rely on types where this
// found nothing. `forgiven` are unknown fields that are let be.
void check_schema(const Object& object, const std::set<std::string>& forgiven, FieldErrors& errors);

// The paths of the fields that the kind does not have.
std::set<std::string> unknown_fields(const Object& object);

}  // namespace claimfs::volumes
