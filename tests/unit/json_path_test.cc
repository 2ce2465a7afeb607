// kubectl's JSONPath, as `-o jsonpath=` and `--sort-by` take it.

#include "cli/json_path.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {

TEST_CASE("jsonpath templates expand as kubectl expands them", "[jsonpath]") {
  const auto document = volumes::Json::parse(R"({
    "kind": "List",
    "items": [
      {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}},
       "spec": {"size": 1, "modes": ["RWO", "ROX"], "on": true}},
      {"metadata": {"name": "b"}, "spec": {"size": 2, "modes": []}}
    ]})");
  const std::pair<const char*, const char*> rows[] = {
      {"{.kind}", "List"},
      {"{$.kind}", "List"},
      {"{.items[0].metadata.name}", "a"},
      {"{.items[-1].metadata.name}", "b"},
      {"{.items[*].metadata.name}", "a b"},
      {"{.items[*].spec.size}", "1 2"},
      {"{.items[0].spec.on}", "true"},
      {"{.items[0].spec.modes}", R"(["RWO","ROX"])"},
      {"{.items[0].spec.modes[*]}", "RWO ROX"},
      {"{['kind']}", "List"},
      {R"({.items[0].metadata.labels.app\.kubernetes\.io/name})", "x"},
      {"{..name}", "a b"},
      {R"({.items[?(@.metadata.name=="b")].spec.size})", "2"},
      {R"({.items[?(@.metadata.name!="b")].spec.size})", "1"},
      {R"({range .items[*]}{.metadata.name}{"\t"}{.spec.size}{"\n"}{end})", "a\t1\nb\t2\n"},
      {"names: {.items[*].metadata.name}!", "names: a b!"},
      {R"({.items[0].metadata.labels['app\.kubernetes\.io/name']})", "x"},
      {"{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"},
      {"{.items[*]['metadata.name','spec.size']}", "a 1 b 2"},
      {"{.items[0,1].metadata.name}", "a b"},
      {"{.items[0].spec.modes[0:1]}", "RWO"},
      {"{.items[0].spec.modes[1:]}", "ROX"},
      {"{.items[0].spec.modes[::2]}", "RWO"},
      {"{.items[0].spec.modes[-1:]}", "ROX"},
      {"{.items[?(@.spec.size>1)].metadata.name}", "b"},
      {"{.items[?(@.spec.size<=1)].metadata.name}", "a"},
      {"{.items[?(@.metadata.name>=\"a\")].metadata.name}", "a b"},
      {"{.items[?(@.spec.on)].metadata.name}", "a"},
      {"{.nothing.here}", ""},
      {"{.items[7]}", ""},
  };
  for (const auto& [path, text] : rows) {
    INFO(path);
    const auto expanded = expand_json_path(path, document);
    REQUIRE(expanded);
    CHECK(*expanded == text);
  }
  for (const char* wrong : {"{.items[", "{.items[0}", "{range .items[*]}", "{.kind", "{.items[?(]}",
                            "{.items[a:b]}", "{.items[0:1:0]}", "{.items[0,x]}"}) {
    INFO(wrong);
    CHECK_FALSE(expand_json_path(wrong, document));
  }
}

}  // namespace claimfs::cli
