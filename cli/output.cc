#include "cli/output.h"

#include <algorithm>
#include <sstream>

#include "cli/columns.h"
#include "cli/json_path.h"
#include "config/yaml_writer.h"
#include "volumes/names.h"
#include "volumes/quantity.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

constexpr std::string_view kJsonPath = "jsonpath=";
constexpr std::string_view kCustomColumns = "custom-columns=";

Json list_of(const std::vector<Object>& objects) {
  Json items = Json::array();
  for (const Object& object : objects) items.push_back(object.document);
  return {{"apiVersion", "v1"},
          {"items", std::move(items)},
          {"kind", "List"},
          {"metadata", {{"resourceVersion", ""}}}};
}

tl::unexpected<Failure> usage(const Error& error) { return fail(ExitStatus::Usage, error.context); }

Outcome<std::string> custom_columns(const std::string& specification,
                                    const std::vector<Object>& objects) {
  if (specification.empty())
    return fail(ExitStatus::Usage,
                "error: custom-columns format specified but no custom columns given");
  Table table(1);
  std::vector<JsonPath> paths;
  std::istringstream columns(specification);
  for (std::string column; std::getline(columns, column, ',');) {
    const auto colon = column.find(':');
    if (colon == std::string::npos)
      return fail(ExitStatus::Usage, "custom-columns: expected TITLE:PATH, not \"" + column + "\"");
    auto path = JsonPath::parse(column.substr(colon + 1));
    if (!path) return usage(path.error());
    table.front().push_back(column.substr(0, colon));
    paths.push_back(std::move(*path));
  }
  for (const Object& object : objects) {
    auto& row = table.emplace_back();
    for (const JsonPath& path : paths) {
      std::string cell;
      for (const Json* value : path.find(object.document))
        cell += (cell.empty() ? "" : ",") + json_path_text(*value);
      row.push_back(cell.empty() ? "<none>" : cell);
    }
  }
  return table_text(table);
}

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

std::optional<volumes::Requirement> requirement_of(const std::string& text) {
  for (const auto& [word, op] : {std::pair(" notin ", "NotIn"), std::pair(" in ", "In")}) {
    const auto at = text.find(word);
    if (at == std::string::npos) continue;
    std::string list = trimmed(text.substr(at + std::string_view(word).size()));
    if (list.size() < 2 || list.front() != '(' || list.back() != ')') return std::nullopt;
    volumes::Requirement requirement{trimmed(text.substr(0, at)), op, {}};
    std::istringstream values(list.substr(1, list.size() - 2));
    for (std::string value; std::getline(values, value, ',');)
      requirement.values.push_back(trimmed(value));
    return requirement;
  }
  for (const auto& [sign, op] :
       {std::pair("!=", "NotIn"), std::pair("==", "In"), std::pair("=", "In")}) {
    const auto at = text.find(sign);
    if (at == std::string::npos) continue;
    return volumes::Requirement{trimmed(text.substr(0, at)),
                                op,
                                {trimmed(text.substr(at + std::string_view(sign).size()))}};
  }
  if (text.starts_with('!'))
    return volumes::Requirement{trimmed(text.substr(1)), "DoesNotExist", {}};
  return text.empty() ? std::nullopt : std::optional(volumes::Requirement{text, "Exists", {}});
}

// Whether labels can be so: what could never match is a slip, not a question.
bool is_possible(const volumes::Requirement& requirement) {
  return !volumes::label_key_problem(requirement.key) &&
         std::ranges::none_of(requirement.values, [](const std::string& value) {
           return volumes::label_value_problem(value).has_value();
         });
}

}  // namespace

Outcome<OutputFormat> OutputFormat::parse(const std::string& text) {
  OutputFormat format;
  if (text.empty()) return format;
  if (text == "wide") {
    format.type_ = Type::Wide;
  } else if (text == "json") {
    format.type_ = Type::Json;
  } else if (text == "yaml") {
    format.type_ = Type::Yaml;
  } else if (text == "name") {
    format.type_ = Type::Name;
  } else if (text.starts_with(kJsonPath)) {
    format.type_ = Type::JsonPath;
    format.template_ = text.substr(kJsonPath.size());
  } else if (text.starts_with(kCustomColumns)) {
    format.type_ = Type::CustomColumns;
    format.template_ = text.substr(kCustomColumns.size());
  } else {
    return fail(ExitStatus::Usage,
                "unable to match a printer suitable for the output format \"" + text +
                    "\", allowed formats are: custom-columns,json,jsonpath,name,wide,yaml");
  }
  return format;
}

Outcome<std::string> OutputFormat::text(const std::vector<Object>& objects, bool as_list) const {
  if (type_ == Type::Name) {
    std::string names;
    for (const Object& object : objects) names += qualified_name(object) + "\n";
    return names;
  }
  if (type_ == Type::CustomColumns) return custom_columns(template_, objects);
  const Json document =
      as_list || objects.size() != 1 ? list_of(objects) : objects.front().document;
  if (type_ == Type::Json)
    return document.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
  if (type_ == Type::Yaml) return config::to_yaml(document);
  auto expanded = expand_json_path(template_, document);
  if (!expanded) return usage(expanded.error());
  return std::move(*expanded);
}

Outcome<void> sort_by(std::vector<Object>& objects, const std::string& path_text) {
  // kubectl takes `{.a.b}` as well.
  const bool has_braces = path_text.starts_with('{') && path_text.ends_with('}');
  auto path = JsonPath::parse(has_braces ? path_text.substr(1, path_text.size() - 2) : path_text);
  if (!path) return usage(path.error());
  const auto value_of = [&path](const Object& object) {
    const auto found = path->find(object.document);
    return found.empty() ? Json() : *found.front();
  };
  std::ranges::stable_sort(objects, [&](const Object& left, const Object& right) {
    const Json a = value_of(left), b = value_of(right);
    const auto size_a = volumes::Quantity::from(a), size_b = volumes::Quantity::from(b);
    return size_a && size_b ? *size_a < *size_b : a < b;
  });
  return {};
}

Outcome<Selector> Selector::parse(const std::string& text) {
  Selector selector;
  if (text.empty()) return selector;
  for (const std::string& part : split_selector(text)) {
    const auto requirement = requirement_of(trimmed(part));
    if (!requirement || !is_possible(*requirement))
      return fail(ExitStatus::Usage,
                  "unable to parse the selector \"" + text + "\" at \"" + part + "\"");
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

}  // namespace claimfs::cli
