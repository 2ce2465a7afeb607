#include <algorithm>

#include "volumes/lifecycle.h"
#include "volumes/matching.h"

namespace claimfs::volumes {
namespace {

Notice notice(const Claim& claim, Notice::Type type, std::string reason, std::string message) {
  return {.about = {Kind::PersistentVolumeClaim, claim.metadata.name_space, claim.metadata.name},
          .uid = claim.metadata.uid,
          .type = type,
          .reason = std::move(reason),
          .message = std::move(message)};
}

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

// The claim without a volume: Pending or Lost.
void reset(Step& step, const Claim& claim, ClaimPhase phase) {
  if (claim.phase == phase && claim.status_access_modes.empty() && !claim.status_capacity) return;
  Claim changed = claim;
  changed.phase = phase;
  changed.status_access_modes.clear();
  changed.status_capacity.reset();
  step.claim = std::move(changed);
}

Step pending(const Claim& claim, std::vector<Notice> notices) {
  Step step{.volume = {}, .claim = {}, .notices = std::move(notices)};
  reset(step, claim, ClaimPhase::Pending);
  return step;
}

Step lost(const Claim& claim, const std::string& reason, const std::string& message) {
  Step step;
  if (claim.phase != ClaimPhase::Lost)
    step.notices = {notice(claim, Notice::Type::Warning, reason, message)};
  reset(step, claim, ClaimPhase::Lost);
  return step;
}

std::optional<Quantity> capacity_for_claim(const Volume& volume) {
  const auto before_resize = volume.metadata.annotations.find(kPreResizeCapacity);
  if (before_resize == volume.metadata.annotations.end()) return volume.capacity;
  const auto parsed = Quantity::parse(before_resize->second);
  return parsed ? *parsed : volume.capacity;
}

Volume bound_volume(const Volume& volume, const Claim& claim) {
  Volume bound = volume;
  if (!volume.refers_to(claim.metadata)) bound.metadata.annotate(kBoundByController, kYes);
  if (!volume.refers_to(claim.metadata) || volume.claim_ref->uid.empty()) {
    bound.claim_ref = ClaimReference{.name_space = claim.metadata.name_space,
                                     .name = claim.metadata.name,
                                     .uid = claim.metadata.uid,
                                     .resource_version = claim.metadata.resource_version};
  }
  if (volume.phase != VolumePhase::Bound) {
    bound.phase = VolumePhase::Bound;
    bound.message.clear();
  }
  return bound;
}

Claim bound_claim(const Claim& claim, const Volume& volume) {
  Claim bound = claim;
  if (claim.volume_name != volume.metadata.name) {
    bound.volume_name = volume.metadata.name;
    bound.metadata.annotate(kBoundByController, kYes);
  }
  if (!claim.metadata.has_annotation(kBindCompleted)) bound.metadata.annotate(kBindCompleted, kYes);
  bound.status_access_modes = volume.access_mode_words;
  if (claim.phase != ClaimPhase::Bound) bound.status_capacity = capacity_for_claim(volume);
  bound.phase = ClaimPhase::Bound;
  return bound;
}

bool same(const Volume& left, const Volume& right) {
  return left.claim_ref == right.claim_ref && left.phase == right.phase &&
         left.message == right.message && left.metadata.annotations == right.metadata.annotations;
}

bool same(const Claim& left, const Claim& right) {
  return left.volume_name == right.volume_name && left.phase == right.phase &&
         left.status_access_modes == right.status_access_modes &&
         left.status_capacity == right.status_capacity &&
         left.metadata.annotations == right.metadata.annotations;
}

// Source: KUBERNETES.md 2.4. Repairs whatever of a binding is not there yet.
Step bind(const Volume& volume, const Claim& claim) {
  Step step;
  if (Volume bound = bound_volume(volume, claim); !same(bound, volume))
    step.volume = std::move(bound);
  if (Claim bound = bound_claim(claim, volume); !same(bound, claim)) step.claim = std::move(bound);
  return step;
}

// 2.3: the claim was bound once, and is never matched again.
Step step_bound(const Claim& claim, const World& world) {
  if (claim.volume_name.empty()) {
    return lost(claim, "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
  }
  const Volume* volume = world.volume(claim.volume_name);
  if (!volume)
    return lost(claim, "ClaimLost",
                "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
  if (!volume->claim_ref || volume->claim_ref->uid == claim.metadata.uid)
    return bind(*volume, claim);
  return lost(claim, "ClaimMisbound",
              "Two claims are bound to the same volume, this one is bound incorrectly");
}

// 1.4: the claim names its volume.
Step step_named(const Claim& claim, const World& world) {
  const Volume* volume = world.volume(claim.volume_name);
  if (!volume) return pending(claim, {});
  if (volume->refers_to(claim.metadata)) return bind(*volume, claim);
  if (volume->claim_ref) {
    const Notice taken =
        notice(claim, Notice::Type::Warning, "FailedBinding",
               "volume " + quoted(claim.volume_name) + " already bound to a different claim.");
    // A claim that the controller had bound keeps its phase: somebody else has to resolve this.
    if (claim.metadata.has_annotation(kBoundByController))
      return {.volume = {}, .claim = {}, .notices = {taken}};
    return pending(claim, {taken});
  }
  if (const auto why = mismatch(claim, *volume)) {
    return pending(claim, {notice(claim, Notice::Type::Warning, "VolumeMismatch",
                                  "Cannot bind to requested volume " + quoted(claim.volume_name) +
                                      ": " + *why)});
  }
  return bind(*volume, claim);
}

// 1.7.2: who the claim waits for.
Notice waiting_notice(const Claim& claim, const World& world) {
  std::string pods;
  int count = 0;
  for (const Pod& pod : world.pods) {
    if (!pod.node.empty() || pod.is_finished() ||
        !pod.references(claim.metadata.name_space, claim.metadata.name))
      continue;
    pods += (count++ == 0 ? "" : ",") + pod.metadata.name;
  }
  if (count == 0) {
    return notice(claim, Notice::Type::Normal, "WaitForFirstConsumer",
                  "waiting for first consumer to be created before binding");
  }
  return notice(
      claim, Notice::Type::Normal, "WaitForPodScheduled",
      std::string("waiting for pod") + (count > 1 ? "s " : " ") + pods + " to be scheduled");
}

// 7.1: what of dynamic provisioning does not depend on a provisioner of ours.
Step step_provision(const Claim& claim, const StorageClass* storage_class) {
  const auto failed = [&claim](const std::string& message) {
    return Step{.volume = {},
                .claim = {},
                .notices = {notice(claim, Notice::Type::Warning, "ProvisioningFailed", message)}};
  };
  if (!storage_class)
    return failed("storageclass.storage.k8s.io " + quoted(*claim.storage_class) + " not found");
  const std::string& provisioner = storage_class->provisioner;
  if (provisioner.starts_with("kubernetes.io/"))
    return failed("no volume plugin matched name: " + provisioner);

  Step step;
  if (!claim.metadata.has_annotation(kStorageProvisioner)) {
    Claim asked = claim;
    asked.metadata.annotate(kStorageProvisioner, provisioner);
    asked.metadata.annotate(kBetaStorageProvisioner, provisioner);
    step.claim = std::move(asked);
  }
  step.notices = {notice(
      claim, Notice::Type::Normal, "ExternalProvisioning",
      "Waiting for a volume to be created either by the external provisioner '" + provisioner +
          "' or manually by the system administrator. If volume creation is delayed, please verify "
          "that the provisioner is running and correctly registered.")};
  return step;
}

// 1.2, 1.7: the claim takes what fits.
Step step_unbound(const Claim& claim, const World& world) {
  const StorageClass* storage_class = claim.storage_class && !claim.storage_class->empty()
                                          ? find_class(world.classes, *claim.storage_class)
                                          : nullptr;
  const bool waits = storage_class && storage_class->waits_for_consumer;
  const auto binding = waits ? Binding::WaitsForConsumer : Binding::Immediate;
  if (const Volume* volume = find_volume(claim, world.candidates(claim), binding))
    return bind(*volume, claim);

  if (!claim.storage_class) {
    if (const StorageClass* fallback = default_class(world.classes)) {
      Claim changed = claim;
      changed.storage_class = fallback->metadata.name;
      return {.volume = {}, .claim = std::move(changed), .notices = {}};
    }
  }
  if (waits && !claim.metadata.has_annotation(kSelectedNode))
    return pending(claim, {waiting_notice(claim, world)});
  if (claim.storage_class && !claim.storage_class->empty())
    return step_provision(claim, storage_class);
  return pending(
      claim,
      {notice(claim, Notice::Type::Normal, "FailedBinding",
              "no persistent volumes available for this claim and no storage class is set")});
}

}  // namespace

Step step_claim(const Claim& claim, const World& world) {
  if (claim.metadata.has_annotation(kBindCompleted)) return step_bound(claim, world);
  return claim.volume_name.empty() ? step_unbound(claim, world) : step_named(claim, world);
}

bool protection_ends(const Claim& claim, const World& world) {
  return claim.metadata.is_deleting() && claim.metadata.has_finalizer(kClaimProtection) &&
         std::ranges::none_of(world.pods, [&claim](const Pod& pod) {
           return pod.protects(claim.metadata.name_space, claim.metadata.name);
         });
}

}  // namespace claimfs::volumes
