#pragma once

#include <span>
#include <vector>

#include "volumes/field_errors.h"
#include "volumes/object.h"
#include "volumes/storage_class.h"

namespace claimfs::volumes {

// What keeps a document from being read at all: unknown fields and values of other types. Nothing
// else can be said of it then. Of unknown fields those that `before` (null: nothing is replaced)
// has too are let be: a newer cluster's object that was imported must stay changeable.
std::vector<FieldError> decoding_errors(const Object& object, const Object* before);

// Everything that is wrong with a new object, be it as written or with its defaults applied; empty
// when it may be stored. Source: KUBERNETES.md 6.3 to 6.7, 6.10; rows: validate/*.
std::vector<FieldError> validate_new(const Object& object);

// Everything that is wrong with replacing `before` by `after`, defaults applied: what is wrong with
// its metadata, then with their change, then with the object, then with its change. Source:
// apiserver's registry/rest BeforeUpdate, KUBERNETES.md 6.7, 6.8; rows: update/*.
std::vector<FieldError> validate_update(const Object& before, const Object& after);

// Why a claim may not grow, in the words of the admission plugin; empty when it may, or does not.
std::string growth_refusal(const Object& before, const Object& after,
                           std::span<const StorageClass> classes);

}  // namespace claimfs::volumes
