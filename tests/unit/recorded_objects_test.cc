// What a real Kubernetes stores is nothing that we would refuse.

#include <fstream>

#include "tests/unit/catch.h"
#include "volumes/admission.h"
#include "volumes/validation.h"

namespace claimfs::volumes {

TEST_CASE("a real cluster's objects are sound, as they are and once they are ours") {
  std::ifstream file(CLAIMFS_TEST_DATA "/kubectl.json");
  const Json recorded = Json::parse(file);
  int looked_at = 0;
  for (const Json& document : recorded["objects"]) {
    INFO(document.dump());
    const auto kind = kind_from_document(document);
    REQUIRE(kind);
    const Object object{*kind, document};
    CHECK(messages_of(validate_new(object)) == std::vector<std::string>{});
    CHECK(messages_of(validate_update(object, object)) == std::vector<std::string>{});
    ++looked_at;
    // Nothing is left to fill in or to leave out; of an Event an absent time is said.
    if (kind == Kind::Event) continue;
    Object ours{*kind, normalized(object)};
    apply_defaults(ours);
    settle_data_sources(ours, &object);
    CHECK(ours.document == document);
  }
  CHECK(looked_at >= 10);
}

}  // namespace claimfs::volumes
