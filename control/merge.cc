#include "control/merge.h"

#include "volumes/metadata.h"

namespace claimfs::control {

using volumes::Json;

Json three_way_merge(const Json& last_applied, const Json& desired, const Json& current) {
  Json merged = current.is_object() ? current : Json::object();
  if (last_applied.is_object()) {
    for (const auto& [key, value] : last_applied.items()) {
      if (!desired.contains(key)) merged.erase(key);
    }
  }
  for (const auto& [key, value] : desired.items()) {
    if (value.is_null()) {
      merged.erase(key);
    } else if (value.is_object() && merged.contains(key) && merged[key].is_object()) {
      merged[key] = three_way_merge(volumes::value_at(last_applied, {key}), value, merged[key]);
    } else {
      merged[key] = value;
    }
  }
  return merged;
}

volumes::Object with_last_applied(volumes::Object desired) {
  Json& annotations = desired.document["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = Json::object();
  annotations.erase(volumes::kLastApplied);
  // As kubectl writes it: the document, and a newline.
  const std::string text = desired.document.dump() + "\n";
  annotations[std::string(volumes::kLastApplied)] = text;
  return desired;
}

}  // namespace claimfs::control
