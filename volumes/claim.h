#pragma once

#include <optional>
#include <string>
#include <vector>

#include "volumes/access_modes.h"
#include "volumes/label_selector.h"
#include "volumes/metadata.h"
#include "volumes/object.h"
#include "volumes/quantity.h"
#include "volumes/volume.h"

namespace claimfs::volumes {

enum class ClaimPhase { None, Pending, Bound, Lost };

// A PersistentVolumeClaim, as far as decisions look at it.
struct Claim {
  Metadata metadata;
  AccessModes access_modes;  // spec.accessModes: what the user asked for, which decides
  std::vector<std::string> access_mode_words;  // as written, which a volume made for it repeats
  Quantity request;                            // spec.resources.requests.storage
  VolumeMode mode = VolumeMode::Filesystem;
  std::optional<std::string> storage_class;  // effective; nil and "" differ
  std::string attributes_class;
  std::optional<LabelSelector> selector;
  std::string volume_name;  // spec.volumeName
  bool has_data_source = false;
  ClaimPhase phase = ClaimPhase::None;
  std::optional<Quantity> status_capacity;       // status.capacity.storage
  std::string status_attributes_class;           // status.currentVolumeAttributesClassName
  std::vector<std::string> status_access_modes;  // status.accessModes, in the volume's order

  static Claim from(const Object& object);

  // `document` with everything that a controller may change (volumeName, storageClassName,
  // annotations, finalizers, status) written into it; all else is left as it was.
  Json written_into(Json document) const;
  // Whether written_into() writes the same for both.
  bool is_written_as(const Claim& other) const;
};

std::string_view to_string(ClaimPhase phase);

}  // namespace claimfs::volumes
