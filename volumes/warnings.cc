#include <array>
#include <utility>

#include "volumes/admission.h"
#include "volumes/go_text.h"
#include "volumes/metadata.h"
#include "volumes/quantity.h"

namespace claimfs::volumes {
namespace {

using Warnings = std::vector<std::string>;
using Notice = std::pair<std::string_view, std::string_view>;

constexpr std::array<Notice, 8> kOldNodeLabels = {
    {{"beta.kubernetes.io/arch", R"(deprecated since v1.14; use "kubernetes.io/arch" instead)"},
     {"beta.kubernetes.io/os", R"(deprecated since v1.14; use "kubernetes.io/os" instead)"},
     {"failure-domain.beta.kubernetes.io/region",
      R"(deprecated since v1.17; use "topology.kubernetes.io/region" instead)"},
     {"failure-domain.beta.kubernetes.io/zone",
      R"(deprecated since v1.17; use "topology.kubernetes.io/zone" instead)"},
     {"beta.kubernetes.io/instance-type",
      R"(deprecated since v1.17; use "node.kubernetes.io/instance-type" instead)"},
     {"app.kubernetes.io/created-by", "deprecated since v1.9"},
     {"scheduler.alpha.kubernetes.io/preferAvoidPods",
      "deprecated since v1.22; use Taints and Tolerations instead"},
     {"node-role.kubernetes.io/master", R"(use "node-role.kubernetes.io/control-plane" instead)"}}};

// Of a volume's sources, as its specification writes them; storageos is warned of as storageOS.
constexpr std::array<Notice, 6> kOldSources = {
    {{"cephfs", "cephfs: deprecated in v1.28, non-functional in v1.31+"},
     {"photonPersistentDisk",
      "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+"},
     {"scaleIO", "scaleIO: deprecated in v1.16, non-functional in v1.22+"},
     {"storageos", "storageOS: deprecated in v1.22, non-functional in v1.25+"},
     {"glusterfs", "glusterfs: deprecated in v1.25, non-functional in v1.26+"},
     {"rbd", "rbd: deprecated in v1.28, non-functional in v1.31+"}}};

std::string_view notice_of(const std::string& label) {
  for (const auto& [key, notice] : kOldNodeLabels) {
    if (key == label) return notice;
  }
  return {};
}

std::string at(const std::string& field, std::size_t index) {
  return field + "[" + std::to_string(index) + "]";
}

void warn_of_annotation(const Json& document, std::string_view key, std::string_view notice,
                        Warnings& warnings) {
  if (value_at(document, {"metadata", "annotations", key}).is_string()) {
    warnings.push_back("metadata.annotations[" + std::string(key) + "]: deprecated since " +
                       std::string(notice) + " attribute instead");
  }
}

void warn_of_fraction(const Json& spec, const std::string& field, Warnings& warnings) {
  for (const char* key : {"requests", "limits"}) {
    const auto quantity = Quantity::from(value_at(spec, {"resources", key, "storage"}));
    if (!quantity || quantity->is_whole()) continue;
    warnings.push_back(field + ".resources." + key + "[storage]: fractional byte value " +
                       go_quoted(quantity->text()) + " is invalid, must be an integer");
  }
}

void warn_of_volume(const Json& document, Warnings& warnings) {
  warn_of_annotation(document, kBetaStorageClass, R"(v1.8; use "storageClassName")", warnings);
  warn_of_annotation(document, kBetaMountOptions, R"(v1.31; use "mountOptions")", warnings);
  const Json& spec = value_at(document, {"spec"});
  if (text_at(spec, "persistentVolumeReclaimPolicy") == "Recycle") {
    warnings.emplace_back(
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, "
        "the recommended approach is to use dynamic provisioning.");
  }
  const Json& terms = value_at(spec, {"nodeAffinity", "required", "nodeSelectorTerms"});
  for (std::size_t i = 0; terms.is_array() && i < terms.size(); ++i) {
    const Json& expressions = value_at(terms[i], {"matchExpressions"});
    for (std::size_t j = 0; expressions.is_array() && j < expressions.size(); ++j) {
      const std::string label = text_at(expressions[j], "key");
      const std::string_view notice = notice_of(label);
      if (notice.empty()) continue;
      const std::string term = at("spec.nodeAffinity.required.nodeSelectorTerms", i);
      warnings.push_back(at(term + ".matchExpressions", j) + ".key: " + label + " is " +
                         std::string(notice));
    }
  }
  for (const auto& [source, notice] : kOldSources) {
    if (value_at(spec, {source}).is_object()) warnings.push_back("spec." + std::string(notice));
  }
}

void warn_of_storage_class(const Json& document, Warnings& warnings) {
  const Json& terms = value_at(document, {"allowedTopologies"});
  for (std::size_t i = 0; terms.is_array() && i < terms.size(); ++i) {
    const Json& expressions = value_at(terms[i], {"matchLabelExpressions"});
    for (std::size_t j = 0; expressions.is_array() && j < expressions.size(); ++j) {
      const std::string_view notice = notice_of(text_at(expressions[j], "key"));
      if (notice.empty()) continue;
      warnings.push_back(at(at("allowedTopologies", i) + ".matchLabelExpressions", j) + ": " +
                         std::string(notice));
    }
  }
}

void warn_of_pod(const Json& document, Warnings& warnings) {
  const Json& volumes = value_at(document, {"spec", "volumes"});
  for (std::size_t i = 0; volumes.is_array() && i < volumes.size(); ++i) {
    warn_of_fraction(value_at(volumes[i], {"ephemeral", "volumeClaimTemplate", "spec"}),
                     at("spec.volumes", i) + ".ephemeral.volumeClaimTemplate.spec", warnings);
  }
}

}  // namespace

Warnings creation_warnings(const Object& object) {
  Warnings warnings;
  switch (object.kind) {
    case Kind::PersistentVolume:
      warn_of_volume(object.document, warnings);
      break;
    case Kind::PersistentVolumeClaim:
      warn_of_annotation(object.document, kBetaStorageClass, R"(v1.8; use "storageClassName")",
                         warnings);
      warn_of_fraction(value_at(object.document, {"spec"}), "spec", warnings);
      break;
    case Kind::StorageClass:
      warn_of_storage_class(object.document, warnings);
      break;
    case Kind::Pod:
      warn_of_pod(object.document, warnings);
      break;
    case Kind::Event:
    case Kind::Attachment:
    case Kind::Mount:
    case Kind::VolumeUsage:
      break;
  }
  return warnings;
}

}  // namespace claimfs::volumes
