#include "control/first_consumers.h"

#include <cerrno>

namespace claimfs::control {

using volumes::Kind;

namespace {
// Somebody who loses this often meets a store that does not work.
constexpr int kAttempts = 20;
}  // namespace

Result<bool> FirstConsumers::perform(const Mirror& mirror,
                                     const std::vector<volumes::Step>& steps) {
  for (const volumes::Step& step : steps) {
    for (const volumes::Notice& notice : step.notices) events_.record(notice);
    const auto update = [&](const volumes::ObjectKey& key, const auto& changed) -> Result<bool> {
      const auto done = store_.update({key.kind, changed.written_into(mirror.find(key)->document)});
      if (done) return true;
      if (done.error().code == EAGAIN || done.error().code == ENOENT) return false;
      return failure(done.error());
    };
    bool is_done = true;
    if (step.volume)
      is_done = TRY(update({Kind::PersistentVolume, "", step.volume->metadata.name}, *step.volume));
    if (is_done && step.claim) {
      const auto& metadata = step.claim->metadata;
      is_done = TRY(
          update({Kind::PersistentVolumeClaim, metadata.name_space, metadata.name}, *step.claim));
    }
    if (!is_done) return false;
  }
  return true;
}

Result<void> FirstConsumers::look(const Mirror& mirror) {
  for (const auto& [name, pod] : mirror.world().pods())
    TRY_VOID(perform(mirror, volumes::place(pod, mirror.world(), node_)));
  return {};
}

Result<std::string> FirstConsumers::place(const std::string& name_space, const std::string& claim) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Mirror mirror(store_);
    TRY_VOID(mirror.relist());
    const auto placement = volumes::place(name_space, {claim}, mirror.world(), node_);
    if (!placement.refusal.empty()) return placement.refusal;
    if (TRY(perform(mirror, placement.steps))) return std::string();
  }
  return failure(EBUSY, "something else keeps changing the claim's volumes");
}

}  // namespace claimfs::control
