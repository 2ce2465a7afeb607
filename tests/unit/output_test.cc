// -o.

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
  CHECK(text("custom-columns=N:{.metadata.name},M:metadata.name", {one}, true) ==
        "N     M\na     a\n");
  CHECK(text("jsonpath-as-json={.metadata.name}{.kind}", {one}, false) ==
        "[\n    \"a\",\n    \"PersistentVolume\"\n]\n");
  CHECK(OutputFormat::parse("")->is_table());
  CHECK(OutputFormat::parse("wide")->is_wide());
  for (const char* wrong : {"xml", "jsonpath", "custom-columns=", "custom-columns=A",
                            "jsonpath={.a[", "jsonpath-file=/nowhere/at/all"}) {
    INFO(wrong);
    const auto parsed = OutputFormat::parse(wrong);
    const bool is_refused = !parsed || !parsed->text({one}, false);
    CHECK(is_refused);
  }
}

TEST_CASE("managedFields are shown when they are asked for", "[output]") {
  Object one = volume("a", "1Gi", Json::object());
  one.document["metadata"]["managedFields"] = Json::array({{{"manager", "kubectl"}}});
  auto format = OutputFormat::parse("json");
  CHECK(format->text({one}, false)->find("managedFields") == std::string::npos);
  CHECK(format->text({one}, true)->find("managedFields") == std::string::npos);
  CHECK(text("jsonpath={.metadata.managedFields[0].manager}", {one}, false) == "kubectl");
  format->show_managed_fields();
  CHECK(format->text({one}, false)->find("managedFields") != std::string::npos);
}

}  // namespace claimfs::cli
