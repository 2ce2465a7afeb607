#include "cli/selectors.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "volumes/metadata.h"
#include "volumes/names.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// At commas that stand outside of parentheses.
std::vector<std::string> split_selector(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// `key in (a,b)`, `key notin (a)`.
std::optional<volumes::Requirement> set_requirement(const std::string& text) {
  const auto open = text.find('(');
  if (open == std::string::npos || text.back() != ')') return std::nullopt;
  std::istringstream words(text.substr(0, open));
  std::string key, op, more;
  words >> key >> op;
  if (words >> more || (op != "in" && op != "notin")) return std::nullopt;
  volumes::Requirement requirement{key, op == "in" ? "In" : "NotIn", {}};
  std::istringstream values(text.substr(open + 1, text.size() - open - 2));
  for (std::string value; std::getline(values, value, ',');)
    requirement.values.push_back(trimmed(value));
  return requirement;
}

std::optional<volumes::Requirement> requirement_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (text.find('(') != std::string::npos) return set_requirement(text);
  constexpr std::array<std::pair<std::string_view, const char*>, 5> kSigns = {
      {{"!=", "NotIn"}, {"==", "In"}, {"=", "In"}, {">", "Gt"}, {"<", "Lt"}}};
  for (const auto& [sign, op] : kSigns) {
    const auto at = text.find(sign);
    if (at == std::string::npos) continue;
    return volumes::Requirement{
        trimmed(text.substr(0, at)), op, {trimmed(text.substr(at + sign.size()))}};
  }
  if (text.starts_with('!'))
    return volumes::Requirement{trimmed(text.substr(1)), "DoesNotExist", {}};
  return volumes::Requirement{text, "Exists", {}};
}

// Whether labels can be so: what could never match is a slip, not a question.
bool is_possible(const volumes::Requirement& requirement) {
  return !volumes::label_key_problem(requirement.key) &&
         std::ranges::none_of(requirement.values, [](const std::string& value) {
           return volumes::label_value_problem(value).has_value();
         });
}

struct SelectableField {
  std::optional<Kind> kind;  // absent: every kind's
  std::string_view name;
};

// Source: apimachinery DefaultMetaV1FieldSelectorConversion; core/v1 conversion.go.
constexpr SelectableField kSelectable[] = {
    {std::nullopt, "metadata.name"},
    {std::nullopt, "metadata.namespace"},
    {Kind::Pod, "spec.nodeName"},
    {Kind::Pod, "status.phase"},
    {Kind::Event, "involvedObject.kind"},
    {Kind::Event, "involvedObject.namespace"},
    {Kind::Event, "involvedObject.name"},
    {Kind::Event, "involvedObject.uid"},
    {Kind::Event, "involvedObject.apiVersion"},
    {Kind::Event, "involvedObject.resourceVersion"},
    {Kind::Event, "involvedObject.fieldPath"},
    {Kind::Event, "reason"},
    {Kind::Event, "reportingComponent"},
    {Kind::Event, "type"},
};

std::string text_of_field(const Object& object, const std::string& field) {
  const auto dot = field.find('.');
  if (dot == std::string::npos) return volumes::text_at(object.document, field);
  return volumes::text_at(object.document, {field.substr(0, dot), field.substr(dot + 1)});
}

}  // namespace

Outcome<Selector> Selector::parse(const std::string& text) {
  Selector selector;
  if (trimmed(text).empty()) return selector;
  for (const std::string& part : split_selector(text)) {
    const auto requirement = requirement_of(trimmed(part));
    if (!requirement || !is_possible(*requirement))
      return fail(ExitStatus::Usage,
                  "error: unable to parse the selector \"" + text + "\" at \"" + part + "\"");
    selector.requirements_.push_back(*requirement);
  }
  return selector;
}

bool Selector::matches(const Object& object) const {
  const auto labels =
      volumes::string_map(volumes::value_at(object.document, {"metadata", "labels"}));
  return std::ranges::all_of(requirements_,
                             [&labels](const auto& each) { return each.matches(labels); });
}

Outcome<FieldSelector> FieldSelector::parse(const std::string& text) {
  FieldSelector selector;
  selector.text_ = text;
  std::istringstream terms(text);
  for (std::string term; std::getline(terms, term, ',');) {
    if (term.empty()) continue;
    const auto equal = term.find('=');
    if (equal == std::string::npos || equal == 0) {
      return fail(ExitStatus::Usage, "error: invalid field selector: \"" + text +
                                         "\"; can't understand '" + term + "'");
    }
    const bool is_unequal = term[equal - 1] == '!';
    const bool is_double = term.substr(equal).starts_with("==");
    selector.terms_.push_back({.field = term.substr(0, equal - (is_unequal ? 1 : 0)),
                               .is_equal = !is_unequal,
                               .value = term.substr(equal + (is_double ? 2 : 1))});
  }
  return selector;
}

Outcome<void> FieldSelector::check(Kind kind) const {
  for (const Term& term : terms_) {
    const bool is_known = std::ranges::any_of(kSelectable, [&](const SelectableField& field) {
      return (!field.kind || field.kind == kind) && field.name == term.field;
    });
    if (is_known) continue;
    const auto& names = volumes::names_of(kind);
    const std::string group_version =
        (names.group.empty() ? "/" : "") + std::string(names.api_version);
    const bool has_own = kind == Kind::Pod || kind == Kind::Event;
    return fail(ExitStatus::Failed,
                "Error from server (BadRequest): Unable to find \"" + group_version +
                    ", Resource=" + std::string(names.plural) +
                    "\" that match label selector \"\", field selector \"" + text_ + "\": " +
                    (has_own ? "field label not supported: " + term.field
                             : "\"" + term.field +
                                   "\" is not a known field selector: only \"metadata.name\", "
                                   "\"metadata.namespace\""));
  }
  return {};
}

bool FieldSelector::matches(const Object& object) const {
  return std::ranges::all_of(terms_, [&object](const Term& term) {
    return (text_of_field(object, term.field) == term.value) == term.is_equal;
  });
}

}  // namespace claimfs::cli
