#include "volumes/mount_record.h"

namespace claimfs::volumes {

MountRecord MountRecord::from(const Object& object) {
  const Json& spec = value_at(object.document, {"spec"});
  MountRecord record{.metadata = Metadata::from(object.document),
                     .node = text_at(spec, "node"),
                     .mount_point = text_at(spec, "mountPoint"),
                     .connection = 0,
                     .released = {}};
  if (const Json& number = value_at(spec, {"connection"}); number.is_number_unsigned())
    record.connection = number.get<unsigned>();
  if (const Json& released = value_at(object.document, {"status", "released"});
      released.is_array()) {
    for (const Json& uid : released)
      if (uid.is_string()) record.released.insert(uid.get<std::string>());
  }
  return record;
}

Json MountRecord::document() const {
  const KindNames& names = names_of(Kind::Mount);
  return {
      {"apiVersion", names.api_version},
      {"kind", names.kind_name},
      {"metadata", {{"name", metadata.name}}},
      {"spec", {{"node", node}, {"mountPoint", mount_point}, {"connection", connection}}},
      {"status", {{"released", released}}},
  };
}

}  // namespace claimfs::volumes
