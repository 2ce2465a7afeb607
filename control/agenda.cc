#include "control/agenda.h"

#include <algorithm>
#include <utility>

namespace claimfs::control {

using volumes::Kind;
using volumes::World;

void Agenda::touch_claim(const World& world, const ClaimName& name) {
  claims_.insert(name);
  for (const volumes::Volume* volume : world.reserved_for(name))
    volumes_.insert(volume->metadata.name);
}

void Agenda::touch(const World& world, const volumes::ObjectKey& key) {
  const ClaimName name(key.name_space, key.name);
  switch (key.kind) {
    case Kind::PersistentVolume: {
      volumes_.insert(key.name);
      for (const volumes::Claim* claim : world.naming(key.name))
        claims_.emplace(claim->metadata.name_space, claim->metadata.name);
      const volumes::Volume* volume = world.volume(key.name);
      if (!volume) break;
      if (volume->claim_ref) {
        claims_.emplace(volume->claim_ref->name_space, volume->claim_ref->name);
      } else {
        classes_with_room_.insert(volume->storage_class);
      }
      break;
    }
    case Kind::PersistentVolumeClaim: {
      touch_claim(world, name);
      const volumes::Claim* claim = world.claim(key.name_space, key.name);
      if (claim && !claim->volume_name.empty()) volumes_.insert(claim->volume_name);
      // Its pod, if it lives as long as one.
      for (const volumes::Pod* pod : world.referring_to(name))
        pods_.emplace(key.name_space, pod->metadata.name);
      break;
    }
    case Kind::Pod: {
      pods_.insert(name);
      if (const volumes::Pod* pod = world.pod(key.name_space, key.name)) {
        for (const auto& use : pod->claims) touch_claim(world, {key.name_space, use.claim});
      }
      break;
    }
    case Kind::Attachment: {
      const auto found = world.attachments().find(key.name);
      if (found != world.attachments().end())
        touch_claim(world, {found->second.name_space, found->second.claim});
      break;
    }
    case Kind::StorageClass:
      // Rare, and anything may depend on it.
      fill(world);
      break;
    case Kind::Mount:
      // It holds a claim no more, or has gone, which is as good.
      for (const auto& [claim_name, claim] : world.claims()) {
        if (claim.metadata.is_deleting()) touch_claim(world, claim_name);
      }
      break;
    case Kind::Event:
    case Kind::VolumeUsage:
      break;
  }
}

void Agenda::fill(const World& world) {
  for (const auto& [name, pod] : world.pods()) pods_.insert(name);
  for (const auto& [name, volume] : world.volumes()) volumes_.insert(name);
  for (const auto& [name, claim] : world.claims()) claims_.insert(name);
}

void Agenda::fill_restless(const World& world) {
  for (const auto& [name, volume] : world.volumes()) {
    const bool is_released = volume.phase == volumes::VolumePhase::Released ||
                             volume.phase == volumes::VolumePhase::Failed;
    const bool is_kept = volume.reclaim_policy == volumes::ReclaimPolicy::Retain;
    if ((is_released && !is_kept) || volume.metadata.is_deleting()) volumes_.insert(name);
  }
  for (const auto& [name, claim] : world.claims()) {
    const bool is_served = claim.phase == volumes::ClaimPhase::Bound && claim.status_capacity &&
                           claim.request <= *claim.status_capacity;
    if (!is_served || claim.metadata.is_deleting()) claims_.insert(name);
  }
}

bool Agenda::is_empty() const {
  return pods_.empty() && volumes_.empty() && claims_.empty() && classes_with_room_.empty();
}

std::vector<Agenda::ClaimName> Agenda::take_pods() {
  const auto taken = std::exchange(pods_, {});
  return {taken.begin(), taken.end()};
}

std::vector<std::string> Agenda::take_volumes() {
  const auto taken = std::exchange(volumes_, {});
  return {taken.begin(), taken.end()};
}

std::vector<Agenda::ClaimName> Agenda::take_claims(const World& world) {
  auto taken = std::exchange(claims_, {});
  for (const std::string& name : std::exchange(classes_with_room_, {})) {
    for (const ClaimName& waiting : world.waiting(name)) {
      taken.insert(waiting);
      // A pod may be its first consumer, and has found nothing so far.
      for (const volumes::Pod* pod : world.referring_to(waiting))
        pods_.emplace(waiting.first, pod->metadata.name);
    }
  }
  std::vector<std::pair<std::string, ClaimName>> by_age;
  for (const ClaimName& name : taken) {
    const volumes::Claim* claim = world.claim(name.first, name.second);
    if (claim) by_age.emplace_back(claim->metadata.created, name);
  }
  std::ranges::sort(by_age);
  std::vector<ClaimName> names;
  for (auto& [created, name] : by_age) names.push_back(std::move(name));
  return names;
}

}  // namespace claimfs::control
