#include "volumes/matching.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace claimfs::volumes {
namespace {

std::string class_of(const Claim& claim) { return claim.storage_class.value_or(""); }

// What a volume that is reserved for the claim must have.
bool suffices(const Claim& claim, const Volume& volume) {
  return volume.access_modes.includes(claim.access_modes) && volume.capacity >= claim.request &&
         volume.mode == claim.mode && volume.attributes_class == claim.attributes_class &&
         !volume.metadata.is_deleting();
}

// Less is better.
auto group_of(const Volume& volume) {
  return std::make_tuple(volume.access_modes.count(), volume.access_modes.canonical());
}

const Volume* best_reserved(const Claim& claim, const World& world) {
  const Volume* best = nullptr;
  const auto rank = [](const Volume& volume) {
    return std::tuple_cat(group_of(volume),
                          std::tie(volume.metadata.created, volume.metadata.name));
  };
  const auto name = World::ClaimName(claim.metadata.name_space, claim.metadata.name);
  for (const Volume* volume : world.reserved_for(name)) {
    if (!volume->refers_to(claim.metadata) || !suffices(claim, *volume)) continue;
    if (!best || rank(*volume) < rank(*best)) best = volume;
  }
  return best;
}

// Of each group of free volumes that the claim can take, fewest modes first, the smallest that
// `admits` takes.
template <class Admits>
std::vector<const Volume*> best_of_groups(const Claim& claim, const World& world, Admits&& admits) {
  std::vector<const Volume*> best;
  const auto& shelves = world.free_volumes();
  const World::Shelf first(class_of(claim), claim.mode, claim.attributes_class, 0, "");
  for (auto at = shelves.lower_bound(first); at != shelves.end(); ++at) {
    const auto& [shelf, volumes] = *at;
    if (std::get<0>(shelf) != std::get<0>(first) || std::get<1>(shelf) != claim.mode ||
        std::get<2>(shelf) != claim.attributes_class)
      break;
    // All of a shelf have the same modes.
    if (!(*volumes.begin())->access_modes.includes(claim.access_modes)) continue;
    const auto match =
        std::find_if(volumes.lower_bound(claim.request), volumes.end(), [&](const Volume* volume) {
          return (!claim.selector || claim.selector->matches(volume->metadata.labels)) &&
                 admits(*volume);
        });
    if (match != volumes.end()) best.push_back(*match);
  }
  return best;
}

bool reaches(const Node& node, const Volume& volume) {
  return !volume.node_affinity || volume.node_affinity->matches(node.name, node.labels);
}

}  // namespace

const Volume* find_volume(const Claim& claim, const World& world, Binding binding) {
  const Volume* reserved = best_reserved(claim, world);
  if (binding == Binding::WaitsForConsumer) return reserved;
  const auto free = best_of_groups(claim, world, [](const Volume&) { return true; });
  if (free.empty()) return reserved;
  // A group with fewer modes wins; within one the reserved volume does.
  return reserved && group_of(*reserved) <= group_of(*free.front()) ? reserved : free.front();
}

const Volume* find_volume(const Claim& claim, const World& world, const Node& node,
                          const std::set<std::string>& taken) {
  if (const Volume* reserved = best_reserved(claim, world)) {
    const bool is_usable = reaches(node, *reserved) && !taken.contains(reserved->metadata.name);
    return is_usable ? reserved : nullptr;
  }
  const auto free = best_of_groups(claim, world, [&](const Volume& volume) {
    return reaches(node, volume) && !taken.contains(volume.metadata.name);
  });
  // The scheduler does not group: the smallest of all.
  const auto smallest = std::ranges::min_element(free, World::BySize());
  return smallest == free.end() ? nullptr : *smallest;
}

std::optional<std::string> mismatch(const Claim& claim, const Volume& volume) {
  if (volume.metadata.is_deleting())
    return "the volume is marked for deletion \"" + volume.metadata.name + "\"";
  if (volume.capacity.bytes() < claim.request.bytes()) return "requested PV is too small";
  if (volume.storage_class != class_of(claim)) return "storageClassName does not match";
  if (volume.attributes_class != claim.attributes_class)
    return "volumeAttributesClassName does not match";
  if (volume.mode != claim.mode) return "incompatible volumeMode";
  if (!volume.access_modes.includes(claim.access_modes)) return "incompatible accessMode";
  return std::nullopt;
}

}  // namespace claimfs::volumes
