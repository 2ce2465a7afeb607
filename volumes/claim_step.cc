#include <algorithm>

#include "volumes/lifecycle.h"
#include "volumes/matching.h"
#include "volumes/provisioners.h"

namespace claimfs::volumes {
namespace {

// The claim without a volume: Pending or Lost.
void reset(Step& step, const Claim& claim, ClaimPhase phase) {
  Claim changed = claim;
  changed.phase = phase;
  changed.status_access_modes.clear();
  changed.status_capacity.reset();
  changed.status_attributes_class.clear();
  if (!changed.is_written_as(claim)) step.claim = std::move(changed);
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
  if (claim.phase != ClaimPhase::Bound) {
    bound.status_capacity = capacity_for_claim(volume);
    bound.status_attributes_class = volume.attributes_class;
  }
  bound.phase = ClaimPhase::Bound;
  return bound;
}

// Source: KUBERNETES.md 2.4. Repairs whatever of a binding is not there yet.
Step bind(const Volume& volume, const Claim& claim) {
  Step step;
  if (Volume bound = bound_volume(volume, claim); !bound.is_written_as(volume))
    step.volume = std::move(bound);
  if (Claim bound = bound_claim(claim, volume); !bound.is_written_as(claim))
    step.claim = std::move(bound);
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
               "volume " + in_quotes(claim.volume_name) + " already bound to a different claim.");
    // A claim that the controller had bound keeps its phase: somebody else has to resolve this.
    if (claim.metadata.has_annotation(kBoundByController))
      return {.volume = {}, .claim = {}, .notices = {taken}};
    return pending(claim, {taken});
  }
  if (const auto why = mismatch(claim, *volume)) {
    return pending(claim, {notice(claim, Notice::Type::Warning, "VolumeMismatch",
                                  "Cannot bind to requested volume " +
                                      in_quotes(claim.volume_name) + ": " + *why)});
  }
  return bind(*volume, claim);
}

// 1.7.2: who the claim waits for.
Notice waiting_notice(const Claim& claim, const World& world) {
  std::string pods;
  int count = 0;
  for (const Pod* pod : world.referring_to({claim.metadata.name_space, claim.metadata.name})) {
    if (pod->node.empty() && !pod->is_finished())
      pods += (count++ == 0 ? "" : ",") + pod->metadata.name;
  }
  if (count == 0) {
    return notice(claim, Notice::Type::Normal, "WaitForFirstConsumer",
                  "waiting for first consumer to be created before binding");
  }
  return notice(
      claim, Notice::Type::Normal, "WaitForPodScheduled",
      std::string("waiting for pod") + (count > 1 ? "s " : " ") + pods + " to be scheduled");
}

// Why the in-tree plugin of this name makes no volume; 7.2.
std::string in_tree_refusal(const Claim& claim, const StorageClass& storage_class) {
  const std::string& provisioner = storage_class.provisioner;
  switch (in_tree_plugin(provisioner)) {
    case InTreePlugin::Unknown:
      return "no volume plugin matched name: " + provisioner;
    case InTreePlugin::NotProvisionable:
      return "no provisionable volume plugin matched";
    case InTreePlugin::HostPath:
      break;
  }
  if (claim.has_data_source) {
    return "plugin " + in_quotes(provisioner) +
           " is not a CSI plugin. Only CSI plugin can provision a claim with a datasource";
  }
  if (!storage_class.mount_options.empty()) {
    std::string options;
    for (const std::string& option : storage_class.mount_options)
      options += (options.empty() ? "" : " ") + option;
    return "Mount options are not supported by the provisioner but StorageClass " +
           in_quotes(storage_class.metadata.name) + " has mount options [" + options + "]";
  }
  return "Failed to create provisioner: provisioning in volume plugin " + in_quotes(provisioner) +
         " is disabled";
}

// 7.1: the claim is marked for its provisioner. A provisioner of ours then acts (provisioning.h).
Step step_provision(const Claim& claim, const StorageClass* storage_class) {
  Step step;
  const auto failed = [&](const std::string& message) {
    step.notices = {notice(claim, Notice::Type::Warning, "ProvisioningFailed", message)};
    return step;
  };
  if (!storage_class)
    return failed("storageclass.storage.k8s.io " + in_quotes(*claim.storage_class) + " not found");
  const std::string& provisioner = storage_class->provisioner;
  const bool is_in_tree = provisioner.starts_with(kInTreePrefix);
  if (is_in_tree && in_tree_plugin(provisioner) != InTreePlugin::HostPath)
    return failed(in_tree_refusal(claim, *storage_class));

  Claim asked = claim;
  asked.metadata.annotate(kStorageProvisioner, provisioner);
  asked.metadata.annotate(kBetaStorageProvisioner, provisioner);
  if (!asked.is_written_as(claim)) step.claim = std::move(asked);
  if (is_in_tree) return failed(in_tree_refusal(claim, *storage_class));
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
                                          ? find_class(world.classes(), *claim.storage_class)
                                          : nullptr;
  const bool waits = storage_class && storage_class->waits_for_consumer;
  const auto binding = waits ? Binding::WaitsForConsumer : Binding::Immediate;
  if (const Volume* volume = find_volume(claim, world, binding)) return bind(*volume, claim);

  if (!claim.storage_class) {
    if (const StorageClass* fallback = default_class(world.classes())) {
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
  if (!claim.metadata.is_deleting() || !claim.metadata.has_finalizer(kClaimProtection))
    return false;
  const World::ClaimName name(claim.metadata.name_space, claim.metadata.name);
  const auto has_let_go = [&claim](const auto& mount) {
    return mount.second.released.contains(claim.metadata.uid);
  };
  return world.attachments_of(name).empty() && std::ranges::all_of(world.mounts(), has_let_go) &&
         std::ranges::none_of(world.referring_to(name),
                              [&claim](const Pod* pod) { return pod->protects(claim.metadata); });
}

}  // namespace claimfs::volumes
