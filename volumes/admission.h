#pragma once

#include <span>
#include <string>
#include <vector>

#include "volumes/object.h"
#include "volumes/storage_class.h"

namespace claimfs::volumes {

// The document as an API server keeps it: no nulls, nothing that says no more than its absence,
// canonical quantities, no namespace where the kind has none. The types must have been checked.
Json normalized(const Object& object);

// What a new object is given: default fields, the default class, protection finalizers, its first
// phase; a status in the manifest is discarded. `now` is an RFC 3339 text, `uid` a new one. Source:
// KUBERNETES.md 0.4.
Object admitted(Object object, std::span<const StorageClass> classes, const std::string& now,
                const std::string& uid);

// Defaults of fields alone, for a desired document that replaces an existing one.
void apply_defaults(Object& object);

// Makes a claim's dataSource and dataSourceRef say the same, where one of them is given. Drops what
// Kubernetes drops without a word: a reference into another namespace, and a dataSource that is
// neither a claim nor a snapshot; both stay where `before` (null: a new claim) has such a thing.
// Source: pkg/api/persistentvolumeclaim.
void settle_data_sources(Object& object, const Object* before);

// What a person should know and is not an error; of a new object and of one that replaces another.
// Source: KUBERNETES.md 6.6, 6.9; pkg/api/{persistentvolume,persistentvolumeclaim,storage,pod}.
std::vector<std::string> creation_warnings(const Object& object);

}  // namespace claimfs::volumes
