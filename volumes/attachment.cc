#include "volumes/attachment.h"

#include <algorithm>

namespace claimfs::volumes {

Attachment Attachment::from(const Object& object) {
  const Json& spec = value_at(object.document, {"spec"});
  const std::string claim = text_at(spec, "claim");
  const auto slash = std::min(claim.find('/'), claim.size());
  return {.metadata = Metadata::from(object.document),
          .volume = text_at(spec, "volume"),
          .name_space = claim.substr(0, slash),
          .claim = claim.substr(std::min(slash + 1, claim.size())),
          .node = text_at(spec, "node"),
          .read_only = value_at(spec, {"readOnly"}) == Json(true)};
}

Json Attachment::document() const {
  const KindNames& names = names_of(Kind::Attachment);
  return {{"apiVersion", names.api_version},
          {"kind", names.kind_name},
          {"metadata", {{"name", metadata.name}}},
          {"spec",
           {{"volume", volume},
            {"claim", name_space + "/" + claim},
            {"node", node},
            {"readOnly", read_only}}}};
}

}  // namespace claimfs::volumes
