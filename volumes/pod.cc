#include "volumes/pod.h"

#include <algorithm>

namespace claimfs::volumes {

Pod Pod::from(const Object& object) {
  Pod pod{.metadata = Metadata::from(object.document),
          .node = text_at(object.document, {"spec", "nodeName"}),
          .phase = text_at(object.document, {"status", "phase"}),
          .claims = {}};
  const Json& volumes = value_at(object.document, {"spec", "volumes"});
  if (!volumes.is_array()) return pod;
  for (const Json& volume : volumes) {
    if (const std::string claim = text_at(volume, {"persistentVolumeClaim", "claimName"});
        !claim.empty()) {
      pod.claims.push_back(
          {.claim = claim,
           .read_only = value_at(volume, {"persistentVolumeClaim", "readOnly"}) == Json(true)});
    } else if (value_at(volume, {"ephemeral"}).is_object()) {
      // A generic ephemeral volume's claim is named after the pod and the volume.
      pod.claims.push_back(
          {.claim = pod.metadata.name + "-" + text_at(volume, "name"), .read_only = false});
    }
  }
  return pod;
}

bool Pod::references(const std::string& name_space, const std::string& claim) const {
  return metadata.name_space == name_space &&
         std::ranges::any_of(claims, [&](const ClaimUse& use) { return use.claim == claim; });
}

}  // namespace claimfs::volumes
