#include "volumes/attachment.h"

#include <algorithm>

namespace claimfs::volumes {

Attachment Attachment::from(const Object& object) {
  const Json& spec = value_at(object.document, {"spec"});
  const Json& status = value_at(object.document, {"status"});
  const std::string claim = text_at(spec, "claim");
  const auto slash = std::min(claim.find('/'), claim.size());
  Attachment attachment{.metadata = Metadata::from(object.document),
                        .volume = text_at(spec, "volume"),
                        .name_space = claim.substr(0, slash),
                        .claim = claim.substr(std::min(slash + 1, claim.size())),
                        .claim_uid = text_at(spec, "claimUID"),
                        .node = text_at(spec, "node"),
                        .mount = text_at(spec, "mount"),
                        .consumer = text_at(spec, "consumer"),
                        .read_only = value_at(spec, {"readOnly"}) == Json(true),
                        .asked = text_at(status, "asked"),
                        .refused = text_at(status, "refused"),
                        .users = text_at(status, "users"),
                        .passthrough = text_at(status, "passthrough"),
                        .is_draining = value_at(status, {"draining"}) == Json(true)};
  if (const Json& backing = value_at(spec, {"backing"}); backing.is_array()) {
    for (const Json& each : backing)
      if (each.is_string()) attachment.backing.push_back(each.get<std::string>());
  }
  return attachment;
}

Json Attachment::document() const {
  const KindNames& names = names_of(Kind::Attachment);
  Json document = {{"apiVersion", names.api_version},
                   {"kind", names.kind_name},
                   {"metadata", {{"name", metadata.name}}},
                   {"spec",
                    {{"volume", volume},
                     {"claim", name_space + "/" + claim},
                     {"node", node},
                     {"readOnly", read_only}}}};
  const auto add = [&document](const char* part, const char* field, const auto& value) {
    if (value != std::remove_cvref_t<decltype(value)>{}) document[part][field] = value;
  };
  add("spec", "claimUID", claim_uid);
  add("spec", "mount", mount);
  add("spec", "consumer", consumer);
  add("spec", "backing", backing);
  add("status", "asked", asked);
  add("status", "refused", refused);
  add("status", "users", users);
  add("status", "passthrough", passthrough);
  add("status", "draining", is_draining);
  return document;
}

}  // namespace claimfs::volumes
