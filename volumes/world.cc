#include "volumes/world.h"

namespace claimfs::volumes {

World::Shelf World::shelf_of(const Volume& volume) {
  if (volume.claim_ref) return {true, volume.claim_ref->name_space, volume.claim_ref->name};
  return {false, volume.storage_class, ""};
}

void World::put(Volume volume) {
  erase_volume(volume.metadata.name);
  shelves_[shelf_of(volume)].insert(volume.metadata.name);
  const std::string name = volume.metadata.name;
  volumes_.insert_or_assign(name, std::move(volume));
}

void World::put(Claim claim) {
  const auto key = std::pair(claim.metadata.name_space, claim.metadata.name);
  claims_.insert_or_assign(key, std::move(claim));
}

void World::erase_volume(const std::string& name) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return;
  const auto shelf = shelves_.find(shelf_of(found->second));
  shelf->second.erase(name);
  if (shelf->second.empty()) shelves_.erase(shelf);
  volumes_.erase(found);
}

void World::erase_claim(const std::string& name_space, const std::string& name) {
  claims_.erase({name_space, name});
}

const Volume* World::volume(const std::string& name) const {
  const auto found = volumes_.find(name);
  return found == volumes_.end() ? nullptr : &found->second;
}

const Claim* World::claim(const std::string& name_space, const std::string& name) const {
  const auto found = claims_.find({name_space, name});
  return found == claims_.end() ? nullptr : &found->second;
}

std::vector<const Volume*> World::candidates(const Claim& claim) const {
  std::vector<const Volume*> found;
  for (const Shelf& shelf : {Shelf(true, claim.metadata.name_space, claim.metadata.name),
                             Shelf(false, claim.storage_class.value_or(""), "")}) {
    const auto names = shelves_.find(shelf);
    if (names == shelves_.end()) continue;
    for (const std::string& name : names->second) found.push_back(&volumes_.at(name));
  }
  return found;
}

}  // namespace claimfs::volumes
