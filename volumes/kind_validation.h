#pragma once

#include "volumes/field_errors.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// What each kind checks of itself; validation.h puts them together.
void validate_volume(const Json& document, FieldErrors& errors);
void validate_volume_update(const Json& before, const Json& after, FieldErrors& errors);
void validate_claim(const Json& document, FieldErrors& errors);
void validate_claim_update(const Json& before, const Json& after, FieldErrors& errors);
void validate_storage_class(const Json& document, FieldErrors& errors);
void validate_storage_class_update(const Json& before, const Json& after, FieldErrors& errors);

// What volumes and claims share.
void validate_access_modes(const Json& spec, std::string_view detail_when_missing,
                           FieldErrors& errors);
void validate_volume_mode(const Json& spec, FieldErrors& errors);
void validate_class_name(const Json& spec, FieldErrors& errors);
void validate_requirements(const Json& expressions, const std::string& path, bool is_for_nodes,
                           FieldErrors& errors);

}  // namespace claimfs::volumes
