#include "volumes/world.h"

namespace claimfs::volumes {
namespace {

World::ClaimName name_of(const Metadata& metadata) { return {metadata.name_space, metadata.name}; }

World::ClaimName name_of(const ClaimReference& reference) {
  return {reference.name_space, reference.name};
}

bool is_free(const Volume& volume) {
  return volume.phase == VolumePhase::Available && !volume.claim_ref &&
         !volume.metadata.is_deleting();
}

World::Shelf shelf_of(const Volume& volume) {
  return {volume.storage_class, volume.mode, volume.attributes_class, volume.access_modes.count(),
          volume.access_modes.canonical()};
}

bool is_waiting(const Claim& claim) {
  return claim.volume_name.empty() && !claim.metadata.has_annotation(kBindCompleted);
}

template <class Map, class Key>
auto* find_in(Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

// Takes `member` out of the set at `key`, and an empty set out of the map.
template <class Map, class Key, class Member>
void erase_member(Map& sets, const Key& key, const Member& member) {
  const auto found = sets.find(key);
  if (found == sets.end()) return;
  found->second.erase(member);
  if (found->second.empty()) sets.erase(found);
}

}  // namespace

bool World::BySize::operator()(const Volume* left, const Volume* right) const {
  if (const auto order = left->capacity <=> right->capacity; order != 0) return order < 0;
  return std::tie(left->metadata.created, left->metadata.name) <
         std::tie(right->metadata.created, right->metadata.name);
}

void World::index(const Volume& volume) {
  if (volume.claim_ref) reserved_[name_of(*volume.claim_ref)].insert(volume.metadata.name);
  if (is_free(volume)) free_[shelf_of(volume)].insert(&volume);
}

void World::unindex(const Volume& volume) {
  if (volume.claim_ref) erase_member(reserved_, name_of(*volume.claim_ref), volume.metadata.name);
  if (is_free(volume)) erase_member(free_, shelf_of(volume), &volume);
}

void World::index(const Claim& claim) {
  if (!claim.volume_name.empty()) naming_[claim.volume_name].insert(name_of(claim.metadata));
  if (is_waiting(claim)) waiting_[claim.storage_class.value_or("")].insert(name_of(claim.metadata));
}

void World::unindex(const Claim& claim) {
  erase_member(naming_, claim.volume_name, name_of(claim.metadata));
  erase_member(waiting_, claim.storage_class.value_or(""), name_of(claim.metadata));
}

void World::put(Volume volume) {
  // The index points at the volume: it is taken out before, and put in after the change.
  Volume& kept = volumes_[volume.metadata.name];
  if (!kept.metadata.name.empty()) unindex(kept);
  kept = std::move(volume);
  index(kept);
}

void World::put(Claim claim) {
  Claim& kept = claims_[name_of(claim.metadata)];
  if (!kept.metadata.name.empty()) unindex(kept);
  kept = std::move(claim);
  index(kept);
}

void World::put(Pod pod) {
  erase({Kind::Pod, pod.metadata.name_space, pod.metadata.name});
  for (const Pod::ClaimUse& use : pod.claims)
    pods_of_claims_[{pod.metadata.name_space, use.claim}].insert(pod.metadata.name);
  pods_.insert_or_assign(name_of(pod.metadata), std::move(pod));
}

void World::put(StorageClass storage_class) {
  erase({Kind::StorageClass, "", storage_class.metadata.name});
  classes_.push_back(std::move(storage_class));
}

void World::put(Attachment attachment) {
  erase({Kind::Attachment, "", attachment.metadata.name});
  const std::string& name = attachment.metadata.name;
  attachments_of_claims_[{attachment.name_space, attachment.claim}].insert(name);
  attachments_of_volumes_[attachment.volume].insert(name);
  if (!attachment.backing.empty()) {
    attachments_of_directories_[attachment.backing.front()].insert(name);
    for (const std::string& directory : attachment.backing)
      attachments_below_[directory].insert(name);
  }
  attachments_.insert_or_assign(attachment.metadata.name, std::move(attachment));
}

void World::unindex(const Attachment& attachment) {
  const std::string& name = attachment.metadata.name;
  erase_member(attachments_of_claims_, ClaimName(attachment.name_space, attachment.claim), name);
  erase_member(attachments_of_volumes_, attachment.volume, name);
  if (attachment.backing.empty()) return;
  erase_member(attachments_of_directories_, attachment.backing.front(), name);
  for (const std::string& directory : attachment.backing)
    erase_member(attachments_below_, directory, name);
}

void World::put(MountRecord mount) {
  mounts_.insert_or_assign(mount.metadata.name, std::move(mount));
}

void World::erase(const ObjectKey& key) {
  const ClaimName name(key.name_space, key.name);
  switch (key.kind) {
    case Kind::PersistentVolume:
      if (const Volume* known = volume(key.name)) unindex(*known);
      volumes_.erase(key.name);
      break;
    case Kind::PersistentVolumeClaim:
      if (const Claim* known = claim(key.name_space, key.name)) unindex(*known);
      claims_.erase(name);
      break;
    case Kind::Pod:
      if (const Pod* known = pod(key.name_space, key.name)) {
        for (const Pod::ClaimUse& use : known->claims)
          erase_member(pods_of_claims_, ClaimName(key.name_space, use.claim), key.name);
      }
      pods_.erase(name);
      break;
    case Kind::StorageClass:
      std::erase_if(classes_,
                    [&key](const StorageClass& each) { return each.metadata.name == key.name; });
      break;
    case Kind::Attachment:
      if (const Attachment* known = find_in(attachments_, key.name)) unindex(*known);
      attachments_.erase(key.name);
      break;
    case Kind::Mount:
      mounts_.erase(key.name);
      break;
    case Kind::Event:
    case Kind::VolumeUsage:
      break;
  }
}

void World::restamp(const ObjectKey& key, const std::string& resource_version) {
  const ClaimName name(key.name_space, key.name);
  if (key.kind == Kind::PersistentVolume) {
    volumes_.at(key.name).metadata.resource_version = resource_version;
  } else if (key.kind == Kind::PersistentVolumeClaim) {
    claims_.at(name).metadata.resource_version = resource_version;
  }
}

const Volume* World::volume(const std::string& name) const { return find_in(volumes_, name); }

const Claim* World::claim(const std::string& name_space, const std::string& name) const {
  return find_in(claims_, ClaimName(name_space, name));
}

const Pod* World::pod(const std::string& name_space, const std::string& name) const {
  return find_in(pods_, ClaimName(name_space, name));
}

std::vector<const Volume*> World::reserved_for(const ClaimName& claim) const {
  std::vector<const Volume*> found;
  if (const auto* names = find_in(reserved_, claim)) {
    for (const std::string& name : *names) found.push_back(&volumes_.at(name));
  }
  return found;
}

std::vector<const Claim*> World::naming(const std::string& volume) const {
  std::vector<const Claim*> found;
  if (const auto* names = find_in(naming_, volume)) {
    for (const ClaimName& name : *names) found.push_back(&claims_.at(name));
  }
  return found;
}

std::vector<const Pod*> World::referring_to(const ClaimName& claim) const {
  std::vector<const Pod*> found;
  if (const auto* names = find_in(pods_of_claims_, claim)) {
    for (const std::string& name : *names) found.push_back(&pods_.at({claim.first, name}));
  }
  return found;
}

std::vector<const Attachment*> World::attachments_of(const ClaimName& claim) const {
  std::vector<const Attachment*> found;
  if (const auto* names = find_in(attachments_of_claims_, claim)) {
    for (const std::string& name : *names) found.push_back(&attachments_.at(name));
  }
  return found;
}

std::vector<const Attachment*> World::attachments_at(
    const std::string& volume, const std::vector<std::string>& backing) const {
  std::set<std::string> names;
  const auto add = [&names](const auto& sets, const std::string& key) {
    if (const auto* found = find_in(sets, key)) names.insert(found->begin(), found->end());
  };
  add(attachments_of_volumes_, volume);
  if (!backing.empty()) add(attachments_below_, backing.front());
  for (const std::string& directory : backing) add(attachments_of_directories_, directory);
  std::vector<const Attachment*> found;
  for (const std::string& name : names) found.push_back(&attachments_.at(name));
  return found;
}

const std::set<World::ClaimName>& World::waiting(const std::string& class_name) const {
  static const std::set<ClaimName> kNone;
  const auto* names = find_in(waiting_, class_name);
  return names ? *names : kNone;
}

}  // namespace claimfs::volumes
