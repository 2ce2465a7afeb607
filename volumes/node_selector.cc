#include "volumes/node_selector.h"

#include <algorithm>

namespace claimfs::volumes {

NodeSelector NodeSelector::from(const Json& required) {
  NodeSelector selector;
  const Json& terms = value_at(required, {"nodeSelectorTerms"});
  if (!terms.is_array()) return selector;
  for (const Json& term : terms) {
    selector.terms.push_back(
        {.expressions = Requirement::list_from(value_at(term, {"matchExpressions"})),
         .fields = Requirement::list_from(value_at(term, {"matchFields"}))});
  }
  return selector;
}

bool NodeSelector::matches(const std::string& node_name, const StringMap& node_labels) const {
  const StringMap node_fields = {{"metadata.name", node_name}};
  return std::ranges::any_of(terms, [&](const Term& term) {
    if (term.expressions.empty() && term.fields.empty()) return false;
    return std::ranges::all_of(
               term.expressions,
               [&](const Requirement& each) { return each.matches(node_labels); }) &&
           std::ranges::all_of(term.fields,
                               [&](const Requirement& each) { return each.matches(node_fields); });
  });
}

}  // namespace claimfs::volumes
