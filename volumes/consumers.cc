#include "volumes/consumers.h"

#include <algorithm>
#include <set>

#include "volumes/provisioners.h"

namespace claimfs::volumes {
namespace {

const StorageClass* class_of(const Claim& claim, const World& world) {
  return claim.storage_class ? find_class(world.classes(), *claim.storage_class) : nullptr;
}

bool is_bound(const Claim& claim) {
  return !claim.volume_name.empty() && claim.metadata.has_annotation(kBindCompleted);
}

bool admits(const StorageClass& storage_class, const Node& node) {
  return storage_class.allowed_topologies.terms.empty() ||
         storage_class.allowed_topologies.matches(node.name, node.labels);
}

// What keeps the claim from any pod, whatever node it is on.
std::string refusal_of(const std::string& name, const Claim* claim) {
  const std::string what = "persistentvolumeclaim " + in_quotes(name);
  if (!claim) return what + " not found";
  if (claim->phase == ClaimPhase::Lost)
    return what + " bound to non-existent persistentvolume " + in_quotes(claim->volume_name);
  if (claim->metadata.is_deleting()) return what + " is being deleted";
  return "";
}

Step reserve(const Volume& volume, const Claim& claim) {
  if (volume.refers_to(claim.metadata)) return {};  // the controller binds these
  Volume reserved = volume;
  reserved.claim_ref = ClaimReference{.name_space = claim.metadata.name_space,
                                      .name = claim.metadata.name,
                                      .uid = claim.metadata.uid,
                                      .resource_version = claim.metadata.resource_version};
  reserved.metadata.annotate(kBoundByController, kYes);
  return {.volume = std::move(reserved), .claim = {}, .notices = {}};
}

Step select(const Claim& claim, const Node& node) {
  Claim selected = claim;
  selected.metadata.annotate(kSelectedNode, node.name);
  return {.volume = {}, .claim = std::move(selected), .notices = {}};
}

}  // namespace

Placement place(const std::string& name_space, const std::vector<std::string>& names,
                const World& world, const Node& node) {
  std::vector<const Claim*> claims;  // each once, however many volumes of a pod name it
  for (const std::string& name : names) {
    const Claim* claim = world.claim(name_space, name);
    if (std::string why = refusal_of(name, claim); !why.empty()) return {{}, std::move(why)};
    if (std::ranges::find(claims, claim) == claims.end()) claims.push_back(claim);
  }
  std::vector<const Claim*> waiting;
  for (const Claim* claim : claims) {
    if (is_bound(*claim)) continue;
    const StorageClass* storage_class = class_of(*claim, world);
    if (!storage_class || !storage_class->waits_for_consumer || !claim->volume_name.empty())
      return {{}, "pod has unbound immediate PersistentVolumeClaims"};
    if (!claim->metadata.has_annotation(kSelectedNode)) waiting.push_back(claim);
  }
  std::ranges::stable_sort(waiting, [](const Claim* left, const Claim* right) {
    return left->request < right->request;
  });

  Placement placement;
  std::set<std::string> taken;
  for (const Claim* claim : waiting) {
    if (const Volume* volume = find_volume(*claim, world, node, taken)) {
      taken.insert(volume->metadata.name);
      placement.steps.push_back(reserve(*volume, *claim));
      continue;
    }
    const StorageClass& storage_class = *class_of(*claim, world);
    if (storage_class.provisioner.empty() || storage_class.provisioner == kNoProvisioner ||
        !admits(storage_class, node))
      return {{}, "node(s) didn't find available persistent volumes to bind"};
    placement.steps.push_back(select(*claim, node));
  }
  return placement;
}

std::vector<Step> place(const Pod& pod, const World& world, const Node& node) {
  if (pod.node != node.name || pod.is_finished() || pod.metadata.is_deleting()) return {};
  std::vector<std::string> claims;
  for (const Pod::ClaimUse& use : pod.claims) claims.push_back(use.claim);
  Placement placement = place(pod.metadata.name_space, claims, world, node);
  if (!placement.refusal.empty()) {
    Step told;
    told.notices = {notice(pod, Notice::Type::Warning, "FailedScheduling",
                           "0/1 nodes are available: " + placement.refusal + ".")};
    told.notices.front().from = "default-scheduler";
    return {told};
  }
  std::erase_if(placement.steps, [](const Step& step) { return !step.volume && !step.claim; });
  return placement.steps;
}

}  // namespace claimfs::volumes
