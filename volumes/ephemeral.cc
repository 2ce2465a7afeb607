#include "volumes/ephemeral.h"

#include <algorithm>

namespace claimfs::volumes {
namespace {

Object claim_for(const Pod& pod, const Pod::ClaimUse& use) {
  const KindNames& names = names_of(Kind::PersistentVolumeClaim);
  Json metadata = {{"name", use.claim},
                   {"namespace", pod.metadata.name_space},
                   {"ownerReferences", Json::array({{{"apiVersion", "v1"},
                                                     {"kind", "Pod"},
                                                     {"name", pod.metadata.name},
                                                     {"uid", pod.metadata.uid},
                                                     {"controller", true},
                                                     {"blockOwnerDeletion", true}}})}};
  for (const char* key : {"labels", "annotations"}) {
    if (const Json& given = value_at(use.claim_template, {"metadata", key}); given.is_object())
      metadata[key] = given;
  }
  return {Kind::PersistentVolumeClaim,
          {{"apiVersion", names.api_version},
           {"kind", names.kind_name},
           {"metadata", metadata},
           {"spec", value_at(use.claim_template, {"spec"})}}};
}

}  // namespace

EphemeralStep step_ephemeral(const Pod& pod, const World& world) {
  EphemeralStep step;
  if (pod.metadata.is_deleting()) return step;
  for (const Pod::ClaimUse& use : pod.claims) {
    if (use.ephemeral.empty()) continue;
    const Claim* claim = world.claim(pod.metadata.name_space, use.claim);
    if (!claim) {
      step.claims.push_back(claim_for(pod, use));
    } else if (!claim->metadata.is_controlled_by(pod.metadata.uid)) {
      const std::string where = pod.metadata.name_space + "/";
      step.notices.push_back(notice(pod, Notice::Type::Warning, "FailedBinding",
                                    "ephemeral volume " + use.ephemeral + ": PVC " + where +
                                        use.claim + " was not created for pod " + where +
                                        pod.metadata.name + " (pod is not owner)"));
      step.notices.back().from = "ephemeral_volume";
    }
  }
  return step;
}

bool is_orphan(const Claim& claim, const World& world) {
  const auto& owners = claim.metadata.owners;
  return !owners.empty() && std::ranges::all_of(owners, [&](const Metadata::Owner& owner) {
    // Owners of other kinds are not ours to know.
    if (owner.kind != "Pod") return false;
    const Pod* pod = world.pod(claim.metadata.name_space, owner.name);
    return !pod || pod->metadata.uid != owner.uid;
  });
}

}  // namespace claimfs::volumes
