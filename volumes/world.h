#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "volumes/attachment.h"
#include "volumes/claim.h"
#include "volumes/mount_record.h"
#include "volumes/pod.h"
#include "volumes/storage_class.h"
#include "volumes/volume.h"

namespace claimfs::volumes {

// Everything that a decision about one volume or claim may look at, and the ways in which one
// object finds another without a look at all of them. A value: no I/O, no lock.
class World {
 public:
  using ClaimName = std::pair<std::string, std::string>;  // namespace, name

  // Volumes that any claim may still take, smallest first; equal: oldest, then by name.
  struct BySize {
    using is_transparent = void;
    bool operator()(const Volume* left, const Volume* right) const;
    bool operator()(const Volume* left, const Quantity& size) const {
      return left->capacity < size;
    }
    bool operator()(const Quantity& size, const Volume* right) const {
      return size < right->capacity;
    }
  };
  // What volumes are grouped by: class, volumeMode, attributes class, number of access modes, the
  // modes. The groups of one claim stand side by side, fewest modes first.
  using Shelf = std::tuple<std::string, VolumeMode, std::string, int, std::string>;
  using Shelves = std::map<Shelf, std::set<const Volume*, BySize>>;

  World() = default;
  World(World&&) = default;
  World& operator=(World&&) = default;

  void put(Volume volume);
  void put(Claim claim);
  void put(Pod pod);
  void put(StorageClass storage_class);
  void put(Attachment attachment);
  void put(MountRecord mount);
  void erase(const ObjectKey& key);
  // The object has a new resourceVersion, and nothing else of it is different.
  void restamp(const ObjectKey& key, const std::string& resource_version);

  // Null when there is none.
  const Volume* volume(const std::string& name) const;
  const Claim* claim(const std::string& name_space, const std::string& name) const;
  const Pod* pod(const std::string& name_space, const std::string& name) const;

  const std::vector<StorageClass>& classes() const { return classes_; }
  const std::map<std::string, Volume>& volumes() const { return volumes_; }
  const std::map<ClaimName, Claim>& claims() const { return claims_; }
  const std::map<ClaimName, Pod>& pods() const { return pods_; }
  const std::map<std::string, Attachment>& attachments() const { return attachments_; }
  const std::map<std::string, MountRecord>& mounts() const { return mounts_; }

  // Available, unreserved, not being deleted.
  const Shelves& free_volumes() const { return free_; }
  // Whose claimRef has this namespace and name, whatever its uid.
  std::vector<const Volume*> reserved_for(const ClaimName& claim) const;
  // Whose spec.volumeName is this.
  std::vector<const Claim*> naming(const std::string& volume) const;
  // Pods one of whose volumes is this claim, by name.
  std::vector<const Pod*> referring_to(const ClaimName& claim) const;
  // Attachments of this claim, by name.
  std::vector<const Attachment*> attachments_of(const ClaimName& claim) const;
  // Attachments of a volume, and of those that are the same directory, or one inside the other.
  std::vector<const Attachment*> attachments_at(const std::string& volume,
                                                const std::vector<std::string>& backing) const;
  // Claims that have no volume and name none, of one class ("" has those without one, too).
  const std::set<ClaimName>& waiting(const std::string& class_name) const;

 private:
  void index(const Volume& volume);
  void unindex(const Volume& volume);
  void index(const Claim& claim);
  void unindex(const Claim& claim);
  void unindex(const Attachment& attachment);

  std::map<std::string, Volume> volumes_;
  std::map<ClaimName, Claim> claims_;
  std::map<ClaimName, Pod> pods_;
  std::vector<StorageClass> classes_;
  std::map<std::string, Attachment> attachments_;
  std::map<std::string, MountRecord> mounts_;

  Shelves free_;
  std::map<ClaimName, std::set<std::string>> reserved_;        // names of volumes
  std::map<std::string, std::set<ClaimName>> naming_;          // by volume
  std::map<std::string, std::set<ClaimName>> waiting_;         // by class
  std::map<ClaimName, std::set<std::string>> pods_of_claims_;  // names of pods
  std::map<ClaimName, std::set<std::string>> attachments_of_claims_;
  std::map<std::string, std::set<std::string>> attachments_of_volumes_;
  std::map<std::string, std::set<std::string>> attachments_of_directories_;  // that very one
  std::map<std::string, std::set<std::string>> attachments_below_;           // that one or below
};

}  // namespace claimfs::volumes
