#include <array>
#include <map>
#include <set>
#include <utility>

#include "volumes/go_text.h"
#include "volumes/kind_validation.h"
#include "volumes/metadata.h"
#include "volumes/names.h"
#include "volumes/unified_diff.h"

namespace claimfs::volumes {
namespace {

// In the order in which Kubernetes looks at a Pod volume's sources.
constexpr std::array<std::string_view, 30> kSources = {"emptyDir",
                                                       "hostPath",
                                                       "gitRepo",
                                                       "gcePersistentDisk",
                                                       "awsElasticBlockStore",
                                                       "secret",
                                                       "nfs",
                                                       "iscsi",
                                                       "glusterfs",
                                                       "persistentVolumeClaim",
                                                       "rbd",
                                                       "cinder",
                                                       "cephfs",
                                                       "flocker",
                                                       "downwardAPI",
                                                       "fc",
                                                       "configMap",
                                                       "azureFile",
                                                       "vsphereVolume",
                                                       "photonPersistentDisk",
                                                       "quobyte",
                                                       "azureDisk",
                                                       "storageos",
                                                       "portworxVolume",
                                                       "projected",
                                                       "scaleIO",
                                                       "csi",
                                                       "ephemeral",
                                                       "image",
                                                       "flexVolume"};

// The order of the fields of metadata, which is that of the complaints.
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kMetadataFields = {
    {{"name", "name"},
     {"generateName", "generateName"},
     {"namespace", "namespace"},
     {"selfLink", "selfLink"},
     {"uid", "uID"},
     {"resourceVersion", "resourceVersion"},
     {"generation", "generation"},
     {"creationTimestamp", "creationTimestamp"},
     {"deletionTimestamp", "deletionTimestamp"},
     {"deletionGracePeriodSeconds", "deletionGracePeriodSeconds"},
     {"ownerReferences", "ownerReferences"},
     {"finalizers", "finalizers"},
     {"managedFields", "managedFields"}}};

bool is_set(const Json& value) {
  return !value.is_null() && value != "" && value != 0 && !(value.is_array() && value.empty());
}

// A template's claim is named after the Pod, lives in its namespace and belongs to it: only labels
// and annotations can be said.
void validate_template(const Json& claim, const std::string& field, FieldErrors& errors) {
  if (!claim.is_object()) return errors.required(field);
  const Json& metadata = value_at(claim, {"metadata"});
  const std::string path = field + ".metadata";
  validate_annotations(value_at(metadata, {"annotations"}), path + ".annotations", errors);
  validate_labels(value_at(metadata, {"labels"}), path + ".labels", errors);
  for (const auto& [key, name] : kMetadataFields) {
    if (is_set(value_at(metadata, {key})))
      errors.forbidden(path + "." + std::string(name), "cannot be set");
  }
  validate_claim_spec(value_at(claim, {"spec"}), field + ".spec", {}, errors);
}

void validate_ephemeral(const Json& volume, const std::string& pod_name, const std::string& field,
                        FieldErrors& errors) {
  validate_template(value_at(volume, {"ephemeral", "volumeClaimTemplate"}),
                    field + ".ephemeral.volumeClaimTemplate", errors);
  const std::string name = text_at(volume, "name");
  if (pod_name.empty() || name.empty()) return;  // which is complained about elsewhere
  const std::string claim_name = pod_name + "-" + name;
  for (const std::string& problem : dns_subdomain_problems(claim_name))
    errors.invalid(field + ".name", name, "PVC name " + go_quoted(claim_name) + ": " + problem);
}

void validate_pod_volume(const Json& volume, const std::string& pod_name, const std::string& field,
                         FieldErrors& errors) {
  int count = 0;
  for (std::string_view source : kSources) {
    if (!value_at(volume, {source}).is_object()) continue;
    if (++count > 1) {
      errors.forbidden(field + "." + std::string(source),
                       "may not specify more than 1 volume type");
    } else if (source == "persistentVolumeClaim") {
      if (text_at(volume, {source, "claimName"}).empty())
        errors.required(field + ".persistentVolumeClaim.claimName");
    } else if (source == "ephemeral") {
      validate_ephemeral(volume, pod_name, field, errors);
    }
  }
  const std::string name = text_at(volume, "name");
  if (name.empty()) {
    errors.required(field + ".name");
  } else {
    errors.invalid(field + ".name", name, dns_label_problems(name));
  }
}

// A Pod's volumes by name; those with an error are none.
using NamedVolumes = std::map<std::string, Json>;

NamedVolumes validate_volumes(const Json& document, FieldErrors& errors) {
  NamedVolumes named;
  const Json& volumes = value_at(document, {"spec", "volumes"});
  if (!volumes.is_array()) return named;
  const std::string pod_name = text_at(document, {"metadata", "name"});
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const std::string field = "spec.volumes[" + std::to_string(i) + "]";
    FieldErrors of_volume;
    validate_pod_volume(volumes[i], pod_name, field, of_volume);
    const std::string name = text_at(volumes[i], "name");
    if (named.contains(name)) of_volume.duplicate(field + ".name", name);
    if (of_volume.empty()) named[name] = volumes[i];
    for (FieldError& error : of_volume.take()) errors.plain(error.field, std::move(error.message));
  }
  return named;
}

void validate_mounts(const Json& mounts, const std::string& field, const NamedVolumes& volumes,
                     FieldErrors& errors) {
  std::set<std::string> paths;
  for (std::size_t i = 0; mounts.is_array() && i < mounts.size(); ++i) {
    const std::string where = field + "[" + std::to_string(i) + "]";
    const std::string name = text_at(mounts[i], "name");
    if (name.empty()) errors.required(where + ".name");
    if (!volumes.contains(name)) errors.not_found(where + ".name", name);
    const std::string path = text_at(mounts[i], "mountPath");
    if (path.empty()) errors.required(where + ".mountPath");
    if (!paths.insert(path).second) errors.invalid(where + ".mountPath", path, "must be unique");
  }
}

void validate_devices(const Json& devices, const std::string& field, const NamedVolumes& volumes,
                      FieldErrors& errors) {
  for (std::size_t i = 0; devices.is_array() && i < devices.size(); ++i) {
    const std::string where = field + "[" + std::to_string(i) + "]";
    const std::string name = text_at(devices[i], "name");
    const auto volume = volumes.find(name);
    if (name.empty()) errors.required(where + ".name");
    if (volume == volumes.end()) {
      errors.not_found(where + ".name", name);
    } else if (!volume->second.contains("persistentVolumeClaim") &&
               !volume->second.contains("ephemeral")) {
      errors.invalid(where + ".name", name,
                     "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
                     "block mode");
    }
    if (text_at(devices[i], "devicePath").empty()) errors.required(where + ".devicePath");
  }
}

}  // namespace

void validate_pod(const Json& document, FieldErrors& errors) {
  validate_metadata(document, Scope::Namespace, errors);
  const NamedVolumes volumes = validate_volumes(document, errors);
  // Of containers we look at what they mount.
  for (const char* key : {"containers", "initContainers"}) {
    const Json& containers = value_at(document, {"spec", key});
    for (std::size_t i = 0; containers.is_array() && i < containers.size(); ++i) {
      const std::string field = "spec." + std::string(key) + "[" + std::to_string(i) + "]";
      validate_mounts(value_at(containers[i], {"volumeMounts"}), field + ".volumeMounts", volumes,
                      errors);
      validate_devices(value_at(containers[i], {"volumeDevices"}), field + ".volumeDevices",
                       volumes, errors);
    }
  }
}

void validate_pod_update(const Json& before, const Json& after, FieldErrors& errors) {
  const Json& was = value_at(before, {"spec", "volumes"});
  const Json& is = value_at(after, {"spec", "volumes"});
  if (was == is) return;
  // Kubernetes holds all of the spec still; of a Pod we look at its volumes alone.
  std::string diff = unified_diff(was.dump(1), is.dump(1));
  if (diff.ends_with('\n')) diff.pop_back();
  errors.forbidden(
      "spec",
      "pod updates may not change fields other than "
      "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
      "`spec.tolerations` (only additions to existing tolerations),"
      "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
      "negative)\n" +
          diff);
}

}  // namespace claimfs::volumes
