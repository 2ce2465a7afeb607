#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "volumes/access_modes.h"
#include "volumes/metadata.h"
#include "volumes/node_selector.h"
#include "volumes/object.h"
#include "volumes/quantity.h"

namespace claimfs::volumes {

enum class VolumeMode { Filesystem, Block };
enum class ReclaimPolicy { Retain, Recycle, Delete, Unknown };
enum class VolumePhase { None, Pending, Available, Bound, Released, Failed };

// Where a volume's bytes are. Source: PersistentVolumeSource; the kinds that claimfs can serve.
struct HostPathSource {
  std::string path;
  std::string type;  // "" or one of HostPathType's words
};
struct LocalSource {
  std::string path;
};
struct NfsSource {
  std::string server;
  std::string path;
  bool read_only = false;
};
struct CsiSource {
  std::string driver;
  std::string volume_handle;
  bool read_only = false;
  std::map<std::string, std::string> attributes;
};
// A source that Kubernetes knows and claimfs does not serve (it binds all the same).
struct OtherSource {
  std::string field;  // its key in spec
};
// In the order in which Kubernetes looks at sources (hostPath, nfs, local and csi stand among
// them).
inline constexpr std::array<std::string_view, 22> kVolumeSources = {"hostPath",
                                                                    "gcePersistentDisk",
                                                                    "awsElasticBlockStore",
                                                                    "glusterfs",
                                                                    "flocker",
                                                                    "nfs",
                                                                    "rbd",
                                                                    "quobyte",
                                                                    "cephfs",
                                                                    "iscsi",
                                                                    "cinder",
                                                                    "fc",
                                                                    "azureFile",
                                                                    "vsphereVolume",
                                                                    "photonPersistentDisk",
                                                                    "portworxVolume",
                                                                    "azureDisk",
                                                                    "scaleIO",
                                                                    "local",
                                                                    "storageos",
                                                                    "csi",
                                                                    "flexVolume"};
using VolumeSource =
    std::variant<std::monostate, HostPathSource, LocalSource, NfsSource, CsiSource, OtherSource>;

// spec.claimRef. Empty strings where absent.
struct ClaimReference {
  std::string name_space;
  std::string name;
  std::string uid;
  std::string resource_version;

  bool operator==(const ClaimReference&) const = default;
};

// A PersistentVolume, as far as decisions look at it.
struct Volume {
  Metadata metadata;
  Quantity capacity;
  AccessModes access_modes;
  std::vector<std::string> access_mode_words;  // as written, which a bound claim's status repeats
  VolumeMode mode = VolumeMode::Filesystem;
  ReclaimPolicy reclaim_policy = ReclaimPolicy::Retain;
  std::string storage_class;                  // effective: the beta annotation wins; "" when none
  std::string attributes_class;               // volumeAttributesClassName; "" when none
  std::vector<std::string> mount_options;     // effective: the beta annotation wins
  std::optional<NodeSelector> node_affinity;  // nil admits every node
  std::optional<ClaimReference> claim_ref;
  VolumeSource source;
  VolumePhase phase = VolumePhase::None;
  std::string message;  // status.message

  // Whether claimRef names this claim: an empty uid names whoever has the name. Source:
  // KUBERNETES.md 1.5.
  bool refers_to(const Metadata& claim) const;

  // From a stored document; what is missing or of another type reads as its default (validation is
  // elsewhere).
  static Volume from(const Object& object);

  // `document` with everything that a controller may change (claimRef, capacity, annotations,
  // finalizers, phase, message) written into it; all else is left as it was.
  Json written_into(Json document) const;
  // Whether written_into() writes the same for both.
  bool is_written_as(const Volume& other) const;
};

std::string_view to_string(VolumePhase phase);
std::string_view to_string(VolumeMode mode);
std::string_view to_string(ReclaimPolicy policy);

}  // namespace claimfs::volumes
