#include "volumes/pod.h"

#include <algorithm>

namespace claimfs::volumes {

Pod Pod::from(const Object& object) {
  Pod pod{.metadata = Metadata::from(object.document),
          .node = text_at(object.document, {"spec", "nodeName"}),
          .phase = text_at(object.document, {"status", "phase"}),
          .claims = {},
          .is_shut_down = false};
  pod.is_shut_down =
      pod.metadata.is_deleting() &&
      value_at(object.document, {"metadata", "deletionGracePeriodSeconds"}) == Json(0);
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
          {.claim = pod.metadata.name + "-" + text_at(volume, "name"),
           .read_only = false,
           .ephemeral = text_at(volume, "name"),
           .claim_template = value_at(volume, {"ephemeral", "volumeClaimTemplate"})});
    }
  }
  return pod;
}

bool Pod::references(const std::string& name_space, const std::string& claim) const {
  return metadata.name_space == name_space &&
         std::ranges::any_of(claims, [&](const ClaimUse& use) { return use.claim == claim; });
}

bool Pod::protects(const Metadata& claim) const {
  if (node.empty() || metadata.name_space != claim.name_space) return false;
  return std::ranges::any_of(claims, [&](const ClaimUse& use) {
    if (use.claim != claim.name) return false;
    return use.ephemeral.empty() || (!is_shut_down && claim.is_controlled_by(metadata.uid));
  });
}

}  // namespace claimfs::volumes
