#pragma once

#include <span>
#include <vector>

#include "volumes/field_errors.h"
#include "volumes/object.h"
#include "volumes/storage_class.h"

namespace claimfs::volumes {

// Everything that is wrong with a new object, defaults applied; empty when it may be stored.
// Includes what strict decoding refuses. Source: KUBERNETES.md 6.3 to 6.7; rows: validate/*.
std::vector<FieldError> validate_new(const Object& object);

// Everything that is wrong with replacing `before` by `after`. Source: KUBERNETES.md 6.7, 6.8;
// rows: update/*.
std::vector<FieldError> validate_update(const Object& before, const Object& after);

// Why a claim may not grow, in the words of the admission plugin; empty when it may, or does not.
std::string growth_refusal(const Object& before, const Object& after,
                           std::span<const StorageClass> classes);

}  // namespace claimfs::volumes
