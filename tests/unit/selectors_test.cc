// -l and --field-selector.

#include "cli/selectors.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;

}  // namespace

TEST_CASE("selectors of -l", "[selectors]") {
  const Object gold{Kind::PersistentVolume,
                    {{"metadata", {{"labels", {{"tier", "gold"}, {"zone", "a"}}}}}}};
  const std::pair<const char*, bool> rows[] = {{"tier=gold", true},
                                               {"tier==gold", true},
                                               {"tier=silver", false},
                                               {"tier!=silver", true},
                                               {"rack!=1", true},
                                               {"tier!=gold", false},
                                               {"tier", true},
                                               {"rack", false},
                                               {"!rack", true},
                                               {"!tier", false},
                                               {"zone in (a,b)", true},
                                               {"zone in (b)", false},
                                               {"zone notin (b)", true},
                                               {"zone notin (a)", false},
                                               {"tier=gold,zone=a", true},
                                               {"tier=gold,zone=b", false},
                                               {"zone in (a, b),!x", true},
                                               {"zone in(a)", true},
                                               {"size>5", false},
                                               {" tier = gold ", true}};
  for (const auto& [words, matches] : rows) {
    INFO(words);
    const auto selector = Selector::parse(words);
    REQUIRE(selector);
    CHECK(selector->matches(gold) == matches);
  }
  for (const char* wrong : {"=gold", "zone in", "zone in (a", "a b", "a=b=c"}) {
    INFO(wrong);
    CHECK_FALSE(Selector::parse(wrong));
  }
}

TEST_CASE("fields that can be asked for", "[selectors]") {
  const Object pod{Kind::Pod,
                   {{"metadata", {{"name", "a"}, {"namespace", "ns"}}},
                    {"spec", {{"nodeName", "n1"}}},
                    {"status", {{"phase", "Running"}}}}};
  const std::pair<const char*, bool> rows[] = {{"", true},
                                               {"metadata.name=a", true},
                                               {"metadata.name==a", true},
                                               {"metadata.name!=a", false},
                                               {"metadata.name=a,metadata.namespace=x", false},
                                               {"spec.nodeName=n1,status.phase!=Failed", true},
                                               {"spec.nodeName=", false}};
  for (const auto& [words, matches] : rows) {
    INFO(words);
    const auto selector = FieldSelector::parse(words);
    REQUIRE(selector);
    CHECK(selector->check(Kind::Pod));
    CHECK(selector->matches(pod) == matches);
  }
  CHECK(FieldSelector::parse("reason=Failed")->check(Kind::Event));
  CHECK_FALSE(FieldSelector::parse("metadata.name"));
  CHECK_FALSE(FieldSelector::parse("=a"));
  CHECK(FieldSelector::parse("status.phase=Bound")->check(Kind::PersistentVolume).error().message ==
        "Error from server (BadRequest): Unable to find \"/v1, Resource=persistentvolumes\" that "
        "match label selector \"\", field selector \"status.phase=Bound\": \"status.phase\" is not "
        "a known field selector: only \"metadata.name\", \"metadata.namespace\"");
  CHECK(FieldSelector::parse("x=y")->check(Kind::Pod).error().message ==
        "Error from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match label "
        "selector \"\", field selector \"x=y\": field label not supported: x");
}

}  // namespace claimfs::cli
