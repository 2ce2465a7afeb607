#include "volumes/label_selector.h"

#include "tests/unit/catch.h"

namespace claimfs::volumes {

TEST_CASE("label selectors match as Kubernetes' do", "[selector]") {
  const StringMap labels = {{"tier", "gold"}, {"zone", "a"}};
  const auto expression = [](const char* key, const char* op, std::vector<std::string> values) {
    Json line = {{"key", key}, {"operator", op}};
    if (!values.empty()) line["values"] = values;
    return Json{{"matchExpressions", Json::array({line})}};
  };
  const std::pair<Json, bool> rows[] = {
      {Json::object(), true},
      {{{"matchLabels", {{"tier", "gold"}}}}, true},
      {{{"matchLabels", {{"tier", "gold"}, {"zone", "a"}}}}, true},
      {{{"matchLabels", {{"tier", "gold"}, {"zone", "b"}}}}, false},
      {{{"matchLabels", {{"rack", "1"}}}}, false},
      {expression("tier", "In", {"silver", "gold"}), true},
      {expression("tier", "In", {"silver"}), false},
      {expression("rack", "In", {"1"}), false},
      {expression("tier", "NotIn", {"silver"}), true},
      {expression("tier", "NotIn", {"gold"}), false},
      {expression("rack", "NotIn", {"1"}), true},
      {expression("tier", "Exists", {}), true},
      {expression("rack", "Exists", {}), false},
      {expression("rack", "DoesNotExist", {}), true},
      {expression("tier", "DoesNotExist", {}), false},
      {expression("tier", "Resembles", {"gold"}), false},
      {{{"matchLabels", {{"tier", "gold"}}},
        {"matchExpressions",
         Json::array({{{"key", "zone"}, {"operator", "NotIn"}, {"values", {"a"}}}})}},
       false},
  };
  for (const auto& [selector, matches] : rows) {
    INFO(selector.dump());
    CHECK(LabelSelector::from(selector).matches(labels) == matches);
  }
}

}  // namespace claimfs::volumes
