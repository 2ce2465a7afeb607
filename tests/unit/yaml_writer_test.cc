#include "config/yaml_writer.h"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "catch.h"
#include "config/manifests.h"

namespace claimfs::config {
namespace {

using volumes::Json;

std::string test_data(const std::string& name) {
  std::ifstream file(std::string(CLAIMFS_TEST_DATA) + "/" + name);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST_CASE("an object prints as kubectl printed it", "[config]") {
  CHECK(to_yaml(Json::parse(test_data("claim_as_yaml.json"))) == test_data("claim_as_yaml.yaml"));
}

// The expectations are what `kubectl label --local -f FILE -o yaml` prints (1.32), which needs no
// cluster.
TEST_CASE("values print as kubectl prints them", "[config]") {
  const std::string words =
      "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj kkkk llll mmmm nnnn oooo pppp qqqq rrrr";
  struct Row {
    const char* name;
    Json value;
    std::string yaml;
  };
  const std::vector<Row> rows = {
      {.name = "text", .value = "abc", .yaml = "a: abc\n"},
      {.name = "empty text", .value = "", .yaml = "a: \"\"\n"},
      {.name = "null", .value = nullptr, .yaml = "a: null\n"},
      {.name = "boolean", .value = true, .yaml = "a: true\n"},
      {.name = "integer", .value = -5, .yaml = "a: -5\n"},
      {.name = "float", .value = 1.5, .yaml = "a: 1.5\n"},
      {.name = "whole float", .value = 1e6, .yaml = "a: 1000000\n"},
      {.name = "large float", .value = 1234567.5, .yaml = "a: 1.2345675e+06\n"},
      {.name = "huge float", .value = 1e20, .yaml = "a: 1e+20\n"},
      {.name = "small float", .value = 1e-5, .yaml = "a: 1e-05\n"},
      {.name = "empty map", .value = Json::object(), .yaml = "a: {}\n"},
      {.name = "empty list", .value = Json::array(), .yaml = "a: []\n"},
      {.name = "list", .value = {1, "b"}, .yaml = "a:\n- 1\n- b\n"},
      {.name = "list of maps",
       .value = {{{"b", 1}, {"c", {1}}}},
       .yaml = "a:\n- b: 1\n  c:\n  - 1\n"},
      {.name = "list of lists",
       .value = Json::parse("[[1,[2]],[]]"),
       .yaml = "a:\n- - 1\n  - - 2\n- []\n"},
      {.name = "map", .value = {{"b", {{"c", "d"}}}}, .yaml = "a:\n  b:\n    c: d\n"},
      {.name = "like a boolean", .value = "yes", .yaml = "a: \"yes\"\n"},
      {.name = "like a short boolean", .value = "n", .yaml = "a: \"n\"\n"},
      {.name = "like null", .value = "null", .yaml = "a: \"null\"\n"},
      {.name = "like a tilde", .value = "~", .yaml = "a: \"~\"\n"},
      {.name = "like a number", .value = "123", .yaml = "a: \"123\"\n"},
      {.name = "like a float", .value = "1e3", .yaml = "a: \"1e3\"\n"},
      {.name = "like an octal", .value = "0o7", .yaml = "a: \"0o7\"\n"},
      {.name = "like a time",
       .value = "2026-11-23T07:37:29Z",
       .yaml = "a: \"2026-11-23T07:37:29Z\"\n"},
      {.name = "no such day", .value = "2026-02-30", .yaml = "a: 2026-02-30\n"},
      {.name = "base 60", .value = "1:30", .yaml = "a: \"1:30\"\n"},
      {.name = "quantity", .value = "10Gi", .yaml = "a: 10Gi\n"},
      {.name = "merge as a value", .value = "<<", .yaml = "a: <<\n"},
      {.name = "star", .value = "*a", .yaml = "a: '*a'\n"},
      {.name = "quote", .value = "'a", .yaml = "a: '''a'\n"},
      {.name = "quote inside", .value = "it's", .yaml = "a: it's\n"},
      {.name = "dash", .value = "- a", .yaml = "a: '- a'\n"},
      {.name = "colon inside", .value = "a: b", .yaml = "a: 'a: b'\n"},
      {.name = "colon without a blank", .value = "a:b", .yaml = "a: a:b\n"},
      {.name = "comment inside", .value = "a #b", .yaml = "a: 'a #b'\n"},
      {.name = "blank behind", .value = "a ", .yaml = "a: 'a '\n"},
      {.name = "marker", .value = "---a", .yaml = "a: '---a'\n"},
      {.name = "tab", .value = "a\tb", .yaml = "a: \"a\\tb\"\n"},
      {.name = "escape", .value = "\x1b[x", .yaml = "a: \"\\e[x\"\n"},
      {.name = "letters of others", .value = "ü日", .yaml = "a: ü日\n"},
      {.name = "above U+FFFF", .value = "\xf0\x9f\x98\x80", .yaml = "a: \"\\U0001F600\"\n"},
      {.name = "line", .value = "a\n", .yaml = "a: |\n  a\n"},
      {.name = "lines", .value = "a\n\nb", .yaml = "a: |-\n  a\n\n  b\n"},
      {.name = "lines kept", .value = "a\n\n", .yaml = "a: |+\n  a\n\n"},
      {.name = "only a line", .value = "\n", .yaml = "a: |2+\n\n"},
      {.name = "indented line", .value = " a\nb", .yaml = "a: |2-\n   a\n  b\n"},
      {.name = "blank before a break", .value = "a \nb", .yaml = "a: \"a \\nb\"\n"},
      {.name = "lines in a list", .value = {"a\nb\n"}, .yaml = "a:\n- |\n  a\n  b\n"},
      {.name = "folded",
       .value = words,
       .yaml = "a: aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj kkkk llll mmmm nnnn oooo "
               "pppp\n  qqqq rrrr\n"},
      {.name = "folded in quotes",
       .value = "'" + words,
       .yaml = "a: '''aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj kkkk llll mmmm nnnn oooo "
               "pppp\n  qqqq rrrr'\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Json document = {{"a", row.value}};
    CHECK(to_yaml(document) == row.yaml);
    const Manifests back = read_manifests(row.yaml, "f");
    REQUIRE(back.manifests.size() == 1);
    CHECK(back.manifests[0].document == document);
  }
}

TEST_CASE("keys print in go-yaml's order", "[config]") {
  CHECK(to_yaml({{"a10", 1},
                 {"a2", 1},
                 {"B", 1},
                 {"a-b", 1},
                 {"a", 1},
                 {"ab", 1},
                 {"a100", 1},
                 {"a20", 1}}) == "B: 1\na: 1\na-b: 1\na2: 1\na10: 1\na20: 1\na100: 1\nab: 1\n");
}

TEST_CASE("keys are quoted as values are, and long ones stand alone", "[config]") {
  CHECK(to_yaml({{"yes", 1}, {"", 2}, {"<<", 3}, {"*", 4}}) ==
        "\"\": 2\n'*': 4\n\"<<\": 3\n\"yes\": 1\n");
  const std::string longest(128, 'k');
  CHECK(to_yaml({{longest, 1}}) == longest + ": 1\n");
  CHECK(to_yaml({{longest + "k", {1}}}) == "? " + longest + "k\n: - 1\n");
  CHECK(to_yaml({{"a\nb", {{"c", "d"}}}}) == "? |-\n  a\n  b\n: c: d\n");
}

TEST_CASE("a value alone", "[config]") {
  CHECK(to_yaml(Json::object()) == "{}\n");
  CHECK(to_yaml(Json::array()) == "[]\n");
  CHECK(to_yaml("a") == "a\n");
  CHECK(to_yaml({1, {{"a", 1}}}) == "- 1\n- a: 1\n");
}

}  // namespace claimfs::config
