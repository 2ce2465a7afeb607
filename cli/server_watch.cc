#include "cli/server_watch.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace claimfs::cli {
namespace {

volumes::Notice about(const fs::ServedClaim& claim, bool is_well, std::string message) {
  return {.about = {volumes::Kind::PersistentVolumeClaim, claim.name_space, claim.name},
          .uid = claim.uid,
          .type = is_well ? volumes::Notice::Type::Normal : volumes::Notice::Type::Warning,
          .reason = is_well ? "VolumeConditionNormal" : "VolumeConditionAbnormal",
          .message = std::move(message)};
}

}  // namespace

void ServerWatch::look(const fs::Tree::Claims& claims, Clock::time_point now) {
  std::map<std::string, std::string> still_silent;
  for (const auto& volume : claims) {
    const auto silence = volume->backend().silence();
    const auto claim = volume->claim();
    const auto known = silent_.find(claim->uid);
    if (silence && (known != silent_.end() || now - silence->since >= kLong)) {
      const std::string message = silence->who + " not responding, still trying";
      if (known == silent_.end())
        spdlog::warn("server=silent claim={}/{} volume={} reason=\"{}\"", claim->name_space,
                     claim->name, claim->volume_name, message);
      // Again and again: the recorder makes them fewer.
      events_.record(about(*claim, /*is_well=*/false, message));
      still_silent.emplace(claim->uid, silence->who);
    } else if (known != silent_.end() && !volume->is_in_use()) {
      still_silent.insert(*known);  // nobody asks it any more
    } else if (!silence && known != silent_.end()) {
      const std::string message = known->second + " OK";
      spdlog::info("server=answers claim={}/{} volume={} reason=\"{}\"", claim->name_space,
                   claim->name, claim->volume_name, message);
      events_.record(about(*claim, /*is_well=*/true, message));
    }
  }
  silent_ = std::move(still_silent);
}

}  // namespace claimfs::cli
