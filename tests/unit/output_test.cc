// -o, -l and --sort-by.

#include "cli/output.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

Object volume(const std::string& name, const std::string& size, const Json& labels) {
  return {Kind::PersistentVolume,
          {{"apiVersion", "v1"},
           {"kind", "PersistentVolume"},
           {"metadata", {{"name", name}, {"labels", labels}}},
           {"spec", {{"capacity", {{"storage", size}}}}}}};
}

std::string text(const std::string& format, const std::vector<Object>& objects, bool as_list) {
  const auto parsed = OutputFormat::parse(format);
  REQUIRE(parsed);
  const auto printed = parsed->text(objects, as_list);
  REQUIRE(printed);
  return *printed;
}

}  // namespace

TEST_CASE("formats of -o", "[output]") {
  const Object one = volume("a", "1Gi", Json::object());
  CHECK(Json::parse(text("json", {one}, false)) == one.document);
  const Json list = Json::parse(text("json", {one}, true));
  CHECK(list["kind"] == "List");
  CHECK(list["apiVersion"] == "v1");
  CHECK(list["items"] == Json::array({one.document}));
  CHECK(text("name", {one}, false) == "persistentvolume/a\n");
  CHECK(text("jsonpath={.metadata.name}", {one}, false) == "a");
  CHECK(text("custom-columns=N:.metadata.name,NOTHING:.x.y", {one}, true) ==
        "N     NOTHING\na     <none>\n");
  CHECK(text("yaml", {one}, false) ==
        "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  labels: {}\n  name: a\nspec:\n"
        "  capacity:\n    storage: 1Gi\n");
  CHECK(OutputFormat::parse("")->is_table());
  CHECK(OutputFormat::parse("wide")->is_wide());
  for (const char* wrong : {"xml", "jsonpath", "custom-columns=", "jsonpath={.a["}) {
    INFO(wrong);
    const auto parsed = OutputFormat::parse(wrong);
    const bool is_refused = !parsed || !parsed->text({one}, false);
    CHECK(is_refused);
  }
}

TEST_CASE("selectors of -l", "[output]") {
  const Object gold = volume("a", "1Gi", {{"tier", "gold"}, {"zone", "a"}});
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
                                               {"zone in (a, b),!x", true}};
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

TEST_CASE("--sort-by sorts quantities by size and names as text", "[output]") {
  const auto order = [](const std::string& path) {
    std::vector<Object> objects = {volume("c", "10Gi", {}), volume("a", "9Gi", {}),
                                   volume("b", "1Ti", {})};
    REQUIRE(sort_by(objects, path));
    std::string names;
    for (const Object& object : objects) names += object.name();
    return names;
  };
  CHECK(order("{.spec.capacity.storage}") == "acb");
  CHECK(order(".metadata.name") == "abc");
}

}  // namespace claimfs::cli
