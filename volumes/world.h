#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "volumes/claim.h"
#include "volumes/pod.h"
#include "volumes/storage_class.h"
#include "volumes/volume.h"

namespace claimfs::volumes {

// Everything that a decision about one volume or claim may look at. A value: no I/O, no lock.
class World {
 public:
  void put(Volume volume);
  void put(Claim claim);
  void erase_volume(const std::string& name);
  void erase_claim(const std::string& name_space, const std::string& name);

  const Volume* volume(const std::string& name) const;
  const Claim* claim(const std::string& name_space, const std::string& name) const;

  const std::map<std::string, Volume>& volumes() const { return volumes_; }
  const std::map<std::pair<std::string, std::string>, Claim>& claims() const { return claims_; }

  // The volumes that find_volume could choose for this claim, and few others: those reserved for
  // its name, and the unreserved ones of its class.
  std::vector<const Volume*> candidates(const Claim& claim) const;

  std::vector<StorageClass> classes;
  std::vector<Pod> pods;

 private:
  // What a volume is found by: whether it is reserved, and the namespace and name, or the class.
  using Shelf = std::tuple<bool, std::string, std::string>;
  static Shelf shelf_of(const Volume& volume);

  std::map<std::string, Volume> volumes_;
  std::map<std::pair<std::string, std::string>, Claim> claims_;
  std::map<Shelf, std::set<std::string>> shelves_;  // names of volumes
};

}  // namespace claimfs::volumes
