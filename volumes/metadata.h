#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "volumes/object.h"

namespace claimfs::volumes {

// The annotations and finalizers that carry meaning. Source: KUBERNETES.md 0.1.
inline constexpr std::string_view kBindCompleted = "pv.kubernetes.io/bind-completed";
inline constexpr std::string_view kBoundByController = "pv.kubernetes.io/bound-by-controller";
inline constexpr std::string_view kProvisionedBy = "pv.kubernetes.io/provisioned-by";
inline constexpr std::string_view kStorageProvisioner = "volume.kubernetes.io/storage-provisioner";
inline constexpr std::string_view kBetaStorageProvisioner =
    "volume.beta.kubernetes.io/storage-provisioner";
inline constexpr std::string_view kSelectedNode = "volume.kubernetes.io/selected-node";
inline constexpr std::string_view kBetaStorageClass = "volume.beta.kubernetes.io/storage-class";
inline constexpr std::string_view kBetaMountOptions = "volume.beta.kubernetes.io/mount-options";
inline constexpr std::string_view kIsDefaultClass = "storageclass.kubernetes.io/is-default-class";
inline constexpr std::string_view kBetaIsDefaultClass =
    "storageclass.beta.kubernetes.io/is-default-class";
inline constexpr std::string_view kPreResizeCapacity =
    "volume.alpha.kubernetes.io/pre-resize-capacity";
inline constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
inline constexpr std::string_view kClaimProtection = "kubernetes.io/pvc-protection";
inline constexpr std::string_view kVolumeProtection = "kubernetes.io/pv-protection";
// On a volume that an in-tree plugin made, and on one that an external provisioner made.
inline constexpr std::string_view kInTreeDeletion = "kubernetes.io/pv-controller";
inline constexpr std::string_view kExternalDeletion =
    "external-provisioner.volume.kubernetes.io/finalizer";
inline constexpr std::string_view kMigratedTo = "pv.kubernetes.io/migrated-to";
inline constexpr std::string_view kYes = "yes";

using StringMap = std::map<std::string, std::string, std::less<>>;

// A JSON map of strings; members of other types are left out.
StringMap string_map(const Json& map);
// A JSON list of strings; items of other types are left out.
std::vector<std::string> string_list(const Json& list);

// What decisions look at of an object's metadata. Timestamps are RFC 3339 in UTC, so that their
// order is that of their text.
struct Metadata {
  // One of ownerReferences: an object that goes with the last of its owners.
  struct Owner {
    std::string kind;
    std::string name;
    std::string uid;
    bool is_controller = false;
  };

  std::string name;
  std::string name_space;
  std::string uid;
  std::string resource_version;
  std::string created;   // creationTimestamp
  std::string deletion;  // deletionTimestamp; empty: it stays
  StringMap labels;
  StringMap annotations;
  std::vector<std::string> finalizers;
  std::vector<Owner> owners;

  static Metadata from(const Json& document);

  bool is_deleting() const { return !deletion.empty(); }
  bool has_annotation(std::string_view key) const { return annotations.contains(key); }
  void annotate(std::string_view key, std::string_view value) {
    annotations.insert_or_assign(std::string(key), value);
  }
  void drop_annotation(std::string_view key);
  bool has_finalizer(std::string_view finalizer) const;
  // Adds it, or takes it away.
  void keep_finalizer(std::string_view finalizer, bool wanted);
  void drop_finalizer(std::string_view finalizer);
  bool is_controlled_by(const std::string& owner_uid) const;

  // Writes what a controller may change: annotations and finalizers.
  void write_into(Json& document) const;
};

}  // namespace claimfs::volumes
