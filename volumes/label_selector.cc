#include "volumes/label_selector.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace claimfs::volumes {
namespace {

std::optional<long long> integer(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<Requirement> Requirement::list_from(const Json& expressions) {
  std::vector<Requirement> list;
  if (!expressions.is_array()) return list;
  for (const Json& expression : expressions) {
    list.push_back({.key = text_at(expression, "key"),
                    .op = text_at(expression, "operator"),
                    .values = string_list(value_at(expression, {"values"}))});
  }
  return list;
}

bool Requirement::matches(const StringMap& labels) const {
  const auto found = labels.find(key);
  const bool present = found != labels.end();
  const auto is_listed = [&] { return std::ranges::find(values, found->second) != values.end(); };
  if (op == "In") return present && is_listed();
  if (op == "NotIn") return !present || !is_listed();
  if (op == "Exists") return present;
  if (op == "DoesNotExist") return !present;
  if ((op == "Gt" || op == "Lt") && present && values.size() == 1) {
    const auto actual = integer(found->second);
    const auto bound = integer(values.front());
    return actual && bound && (op == "Gt" ? *actual > *bound : *actual < *bound);
  }
  return false;
}

LabelSelector LabelSelector::from(const Json& selector) {
  return {.labels = string_map(value_at(selector, {"matchLabels"})),
          .expressions = Requirement::list_from(value_at(selector, {"matchExpressions"}))};
}

bool LabelSelector::matches(const StringMap& object_labels) const {
  return std::ranges::all_of(labels,
                             [&](const auto& label) {
                               const auto found = object_labels.find(label.first);
                               return found != object_labels.end() && found->second == label.second;
                             }) &&
         std::ranges::all_of(expressions,
                             [&](const Requirement& each) { return each.matches(object_labels); });
}

}  // namespace claimfs::volumes
