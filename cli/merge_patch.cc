#include "cli/merge_patch.h"

namespace claimfs::cli {

using volumes::Json;

Json merge_patch_between(const Json& before, const Json& after) {
  Json patch = Json::object();
  for (const auto& [key, value] : before.items()) {
    if (!after.contains(key)) patch[key] = nullptr;
  }
  for (const auto& [key, value] : after.items()) {
    const auto was = before.find(key);
    if (was == before.end()) {
      patch[key] = value;
    } else if (was->is_object() && value.is_object()) {
      Json inner = merge_patch_between(*was, value);
      if (!inner.empty()) patch[key] = std::move(inner);
    } else if (*was != value) {
      patch[key] = value;
    }
  }
  return patch;
}

}  // namespace claimfs::cli
