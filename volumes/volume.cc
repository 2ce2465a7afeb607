#include "volumes/volume.h"

#include <sstream>

namespace claimfs::volumes {
namespace {

VolumeSource source_from(const Json& spec) {
  if (const Json& host = value_at(spec, {"hostPath"}); host.is_object()) {
    return HostPathSource{.path = text_at(host, "path"), .type = text_at(host, "type")};
  }
  if (const Json& local = value_at(spec, {"local"}); local.is_object()) {
    return LocalSource{.path = text_at(local, "path")};
  }
  if (const Json& nfs = value_at(spec, {"nfs"}); nfs.is_object()) {
    return NfsSource{.server = text_at(nfs, "server"),
                     .path = text_at(nfs, "path"),
                     .read_only = value_at(nfs, {"readOnly"}) == Json(true)};
  }
  if (const Json& csi = value_at(spec, {"csi"}); csi.is_object()) {
    const StringMap attributes = string_map(value_at(csi, {"volumeAttributes"}));
    return CsiSource{.driver = text_at(csi, "driver"),
                     .volume_handle = text_at(csi, "volumeHandle"),
                     .read_only = value_at(csi, {"readOnly"}) == Json(true),
                     .attributes = {attributes.begin(), attributes.end()}};
  }
  for (std::string_view field : kVolumeSources) {
    if (value_at(spec, {field}).is_object()) return OtherSource{std::string(field)};
  }
  return std::monostate();
}

std::vector<std::string> mount_options_from(const Metadata& metadata, const Json& spec) {
  const auto beta = metadata.annotations.find(kBetaMountOptions);
  if (beta == metadata.annotations.end()) return string_list(value_at(spec, {"mountOptions"}));
  std::vector<std::string> options;
  std::istringstream words(beta->second);
  for (std::string word; std::getline(words, word, ',');) {
    if (!word.empty()) options.push_back(word);
  }
  return options;
}

ReclaimPolicy reclaim_policy_from(const std::string& word) {
  if (word == "Delete") return ReclaimPolicy::Delete;
  if (word == "Recycle") return ReclaimPolicy::Recycle;
  return word == "Retain" || word.empty() ? ReclaimPolicy::Retain : ReclaimPolicy::Unknown;
}

VolumePhase phase_from(const std::string& word) {
  for (VolumePhase phase : {VolumePhase::Pending, VolumePhase::Available, VolumePhase::Bound,
                            VolumePhase::Released, VolumePhase::Failed}) {
    if (word == to_string(phase)) return phase;
  }
  return VolumePhase::None;
}

}  // namespace

bool Volume::refers_to(const Metadata& claim) const {
  return claim_ref && claim_ref->name == claim.name && claim_ref->name_space == claim.name_space &&
         (claim_ref->uid.empty() || claim_ref->uid == claim.uid);
}

Volume Volume::from(const Object& object) {
  const Json& spec = value_at(object.document, {"spec"});
  Volume volume;
  volume.metadata = Metadata::from(object.document);
  volume.capacity = Quantity::from(value_at(spec, {"capacity", "storage"})).value_or(Quantity());
  volume.access_modes = AccessModes::from(value_at(spec, {"accessModes"}));
  volume.access_mode_words = string_list(value_at(spec, {"accessModes"}));
  volume.mode = text_at(spec, "volumeMode") == "Block" ? VolumeMode::Block : VolumeMode::Filesystem;
  volume.reclaim_policy = reclaim_policy_from(text_at(spec, "persistentVolumeReclaimPolicy"));
  const auto beta = volume.metadata.annotations.find(kBetaStorageClass);
  volume.storage_class =
      beta != volume.metadata.annotations.end() ? beta->second : text_at(spec, "storageClassName");
  volume.attributes_class = text_at(spec, "volumeAttributesClassName");
  volume.mount_options = mount_options_from(volume.metadata, spec);
  if (const Json& required = value_at(spec, {"nodeAffinity", "required"}); required.is_object()) {
    volume.node_affinity = NodeSelector::from(required);
  }
  if (const Json& reference = value_at(spec, {"claimRef"}); reference.is_object()) {
    volume.claim_ref = ClaimReference{.name_space = text_at(reference, "namespace"),
                                      .name = text_at(reference, "name"),
                                      .uid = text_at(reference, "uid"),
                                      .resource_version = text_at(reference, "resourceVersion")};
  }
  volume.source = source_from(spec);
  volume.phase = phase_from(text_at(object.document, {"status", "phase"}));
  volume.message = text_at(object.document, {"status", "message"});
  return volume;
}

Json Volume::written_into(Json document) const {
  metadata.write_into(document);
  Json& spec = document["spec"];
  if (claim_ref) {
    // Fields that we do not know stay; a reference that the controller makes is complete.
    Json& reference = spec["claimRef"];
    const auto write = [&reference](const char* key, const std::string& value) {
      if (value.empty()) {
        reference.erase(key);
      } else {
        reference[key] = value;
      }
    };
    if (!claim_ref->uid.empty()) {
      reference["apiVersion"] = "v1";
      reference["kind"] = "PersistentVolumeClaim";
    }
    write("namespace", claim_ref->name_space);
    write("name", claim_ref->name);
    write("uid", claim_ref->uid);
    write("resourceVersion", claim_ref->resource_version);
  } else {
    spec.erase("claimRef");
  }
  // What was written some other way (blanks, a number) stays so.
  if (Quantity::from(value_at(spec, {"capacity", "storage"})).value_or(Quantity()) != capacity)
    spec["capacity"]["storage"] = capacity.text();
  Json& status = document["status"];
  if (phase != VolumePhase::None) status["phase"] = to_string(phase);
  if (message.empty()) {
    status.erase("message");
  } else {
    status["message"] = message;
  }
  return document;
}

bool Volume::is_written_as(const Volume& other) const {
  return claim_ref == other.claim_ref && phase == other.phase && message == other.message &&
         capacity == other.capacity && metadata.annotations == other.metadata.annotations &&
         metadata.finalizers == other.metadata.finalizers;
}

std::string_view to_string(VolumePhase phase) {
  switch (phase) {
    case VolumePhase::Pending:
      return "Pending";
    case VolumePhase::Available:
      return "Available";
    case VolumePhase::Bound:
      return "Bound";
    case VolumePhase::Released:
      return "Released";
    case VolumePhase::Failed:
      return "Failed";
    case VolumePhase::None:
      break;
  }
  return "";
}

std::string_view to_string(VolumeMode mode) {
  return mode == VolumeMode::Block ? "Block" : "Filesystem";
}

std::string_view to_string(ReclaimPolicy policy) {
  switch (policy) {
    case ReclaimPolicy::Retain:
      return "Retain";
    case ReclaimPolicy::Recycle:
      return "Recycle";
    case ReclaimPolicy::Delete:
      return "Delete";
    case ReclaimPolicy::Unknown:
      break;
  }
  return "";
}

}  // namespace claimfs::volumes
