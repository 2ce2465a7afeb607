#include "volumes/notice.h"

#include "volumes/claim.h"
#include "volumes/pod.h"
#include "volumes/volume.h"

namespace claimfs::volumes {
namespace {

Notice about(Kind kind, const Metadata& metadata, Notice::Type type, std::string reason,
             std::string message) {
  return {.about = {kind, metadata.name_space, metadata.name},
          .uid = metadata.uid,
          .type = type,
          .reason = std::move(reason),
          .message = std::move(message)};
}

}  // namespace

Notice notice(const Claim& claim, Notice::Type type, std::string reason, std::string message) {
  return about(Kind::PersistentVolumeClaim, claim.metadata, type, std::move(reason),
               std::move(message));
}

Notice notice(const Volume& volume, Notice::Type type, std::string reason, std::string message) {
  return about(Kind::PersistentVolume, volume.metadata, type, std::move(reason),
               std::move(message));
}

Notice notice(const Pod& pod, Notice::Type type, std::string reason, std::string message) {
  return about(Kind::Pod, pod.metadata, type, std::move(reason), std::move(message));
}

std::string in_quotes(const std::string& name) { return "\"" + name + "\""; }

}  // namespace claimfs::volumes
