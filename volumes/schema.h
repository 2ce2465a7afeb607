#pragma once

#include "volumes/field_errors.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// Complains about fields that the kind does not have (`unknown field "spec.foo"`) and about values
// of the wrong type, as Kubernetes' strict decoding does. Validation may rely on types where this
// found nothing.
void check_schema(const Object& object, FieldErrors& errors);

}  // namespace claimfs::volumes
