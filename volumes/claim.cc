#include "volumes/claim.h"

namespace claimfs::volumes {

Claim Claim::from(const Object& object) {
  const Json& spec = value_at(object.document, {"spec"});
  const Json& status = value_at(object.document, {"status"});
  Claim claim;
  claim.metadata = Metadata::from(object.document);
  claim.access_modes = AccessModes::from(value_at(spec, {"accessModes"}));
  claim.access_mode_words = string_list(value_at(spec, {"accessModes"}));
  claim.request =
      Quantity::from(value_at(spec, {"resources", "requests", "storage"})).value_or(Quantity());
  claim.mode = text_at(spec, "volumeMode") == "Block" ? VolumeMode::Block : VolumeMode::Filesystem;
  if (const auto beta = claim.metadata.annotations.find(kBetaStorageClass);
      beta != claim.metadata.annotations.end()) {
    claim.storage_class = beta->second;
  } else if (const Json& name = value_at(spec, {"storageClassName"}); name.is_string()) {
    claim.storage_class = name.get<std::string>();
  }
  claim.attributes_class = text_at(spec, "volumeAttributesClassName");
  if (const Json& selector = value_at(spec, {"selector"}); selector.is_object()) {
    claim.selector = LabelSelector::from(selector);
  }
  claim.volume_name = text_at(spec, "volumeName");
  claim.has_data_source =
      value_at(spec, {"dataSource"}).is_object() || value_at(spec, {"dataSourceRef"}).is_object();
  const std::string phase = text_at(status, "phase");
  for (ClaimPhase each : {ClaimPhase::Pending, ClaimPhase::Bound, ClaimPhase::Lost}) {
    if (phase == to_string(each)) claim.phase = each;
  }
  claim.status_capacity = Quantity::from(value_at(status, {"capacity", "storage"}));
  claim.status_attributes_class = text_at(status, "currentVolumeAttributesClassName");
  claim.status_access_modes = string_list(value_at(status, {"accessModes"}));
  return claim;
}

Json Claim::written_into(Json document) const {
  metadata.write_into(document);
  Json& spec = document["spec"];
  if (volume_name.empty()) {
    spec.erase("volumeName");
  } else {
    spec["volumeName"] = volume_name;
  }
  if (storage_class && !metadata.has_annotation(kBetaStorageClass))
    spec["storageClassName"] = *storage_class;

  Json& status = document["status"];
  if (phase != ClaimPhase::None) status["phase"] = to_string(phase);
  if (status_capacity) {
    status["capacity"]["storage"] = status_capacity->text();
  } else {
    status.erase("capacity");
  }
  if (status_attributes_class.empty()) {
    status.erase("currentVolumeAttributesClassName");
  } else {
    status["currentVolumeAttributesClassName"] = status_attributes_class;
  }
  if (status_access_modes.empty()) {
    status.erase("accessModes");
  } else {
    status["accessModes"] = status_access_modes;
  }
  return document;
}

bool Claim::is_written_as(const Claim& other) const {
  return volume_name == other.volume_name && storage_class == other.storage_class &&
         phase == other.phase && status_access_modes == other.status_access_modes &&
         status_capacity == other.status_capacity &&
         status_attributes_class == other.status_attributes_class &&
         metadata.annotations == other.metadata.annotations &&
         metadata.finalizers == other.metadata.finalizers;
}

std::string_view to_string(ClaimPhase phase) {
  switch (phase) {
    case ClaimPhase::Pending:
      return "Pending";
    case ClaimPhase::Bound:
      return "Bound";
    case ClaimPhase::Lost:
      return "Lost";
    case ClaimPhase::None:
      break;
  }
  return "";
}

}  // namespace claimfs::volumes
