#include <array>
#include <set>

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

}  // namespace

void validate_pod(const Json& document, FieldErrors& errors) {
  validate_metadata(document, Scope::Namespace, errors);
  const Json& volumes = value_at(document, {"spec", "volumes"});
  if (!volumes.is_array()) return;
  const std::string pod_name = text_at(document, {"metadata", "name"});
  std::set<std::string> names;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const std::string field = "spec.volumes[" + std::to_string(i) + "]";
    FieldErrors of_volume;
    validate_pod_volume(volumes[i], pod_name, field, of_volume);
    const std::string name = text_at(volumes[i], "name");
    if (names.contains(name)) of_volume.duplicate(field + ".name", name);
    // Only what is right so far has taken its name.
    if (of_volume.empty()) names.insert(name);
    for (FieldError& error : of_volume.take()) errors.plain(error.field, std::move(error.message));
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
