#include "volumes/admission.h"

namespace claimfs::volumes {
namespace {

bool is_claim_or_snapshot(const Json& source) {
  const std::string group = text_at(source, "apiGroup");
  const std::string kind = text_at(source, "kind");
  return (kind == "PersistentVolumeClaim" && group.empty()) ||
         (kind == "VolumeSnapshot" && group == "snapshot.storage.k8s.io");
}

Json without_namespace(const Json& reference) {
  Json source = Json::object();
  for (const char* key : {"apiGroup", "kind", "name"}) {
    if (reference.contains(key)) source[key] = reference[key];
  }
  return source;
}

}  // namespace

void settle_data_sources(Object& object, const Object* before) {
  if (object.kind != Kind::PersistentVolumeClaim) return;
  Json& document = object.document;
  if (!value_at(document, {"spec"}).is_object()) return;
  Json& spec = document["spec"];
  const auto had = [before](const char* key) {
    return before && value_at(before->document, {"spec", key}).is_object();
  };
  const auto has = [&spec](const char* key) { return value_at(spec, {key}).is_object(); };
  if (!text_at(spec, {"dataSourceRef", "namespace"}).empty() && !had("dataSourceRef"))
    spec.erase("dataSourceRef");
  if (has("dataSource") && !has("dataSourceRef") && !had("dataSource") && !had("dataSourceRef") &&
      !is_claim_or_snapshot(spec["dataSource"])) {
    spec.erase("dataSource");
  }
  if (has("dataSource") && !has("dataSourceRef")) {
    spec["dataSourceRef"] = without_namespace(spec["dataSource"]);
  } else if (has("dataSourceRef") && !has("dataSource") &&
             text_at(spec, {"dataSourceRef", "namespace"}).empty()) {
    spec["dataSource"] = without_namespace(spec["dataSourceRef"]);
  }
}

}  // namespace claimfs::volumes
