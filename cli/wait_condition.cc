#include "cli/wait_condition.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace claimfs::cli {
namespace {

using volumes::Json;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// At single signs: "==" is part of a filter.
std::vector<std::string> split_at_equal_sign(const std::string& text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      parts.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '=') {
      parts.back() += "==";
      ++i;
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

std::string without_quotes(const std::string& text) {
  const auto begin = text.find_first_not_of("'\"");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of("'\"") - begin + 1);
}

}  // namespace

Outcome<WaitCondition> WaitCondition::parse_json_path(const std::string& text) {
  const auto parts = split_at_equal_sign(text);
  if (parts.size() > 2) {
    return fail(ExitStatus::Usage,
                "error: jsonpath wait format must be "
                "--for=jsonpath='{.status.readyReplicas}'=3 or "
                "--for=jsonpath='{.status.readyReplicas}'");
  }
  if (without_quotes(parts.front()).empty())
    return fail(ExitStatus::Usage, "error: jsonpath expression cannot be empty");
  WaitCondition condition;
  condition.type_ = Type::JsonPath;
  auto path = JsonPath::parse_relaxed(without_quotes(parts.front()));
  if (!path) return fail(ExitStatus::Usage, "error: " + path.error().context);
  condition.path_ = std::move(*path);
  if (parts.size() == 1) return condition;
  condition.value_ = without_quotes(parts[1]);
  if (condition.value_->empty()) {
    return fail(ExitStatus::Usage,
                "error: jsonpath wait has to have a value after equal sign, like "
                "--for=jsonpath='{.status.readyReplicas}'=3");
  }
  return condition;
}

Outcome<WaitCondition> WaitCondition::parse(const std::string& text) {
  constexpr std::string_view kPhase = "phase=", kCondition = "condition=", kPath = "jsonpath=";
  WaitCondition condition;
  if (lower(text) == "delete") return condition;
  if (lower(text) == "create") {
    condition.type_ = Type::Creation;
  } else if (text.starts_with(kPhase)) {
    condition.type_ = Type::Phase;
    condition.value_ = text.substr(kPhase.size());
  } else if (text.starts_with(kCondition)) {
    condition.type_ = Type::Condition;
    const std::string rest = text.substr(kCondition.size());
    const auto equal = rest.find('=');
    condition.name_ = rest.substr(0, equal);
    condition.value_ = equal == std::string::npos ? "true" : rest.substr(equal + 1);
  } else if (text.starts_with(kPath)) {
    return parse_json_path(text.substr(kPath.size()));
  } else {
    return fail(ExitStatus::Usage, "error: unrecognized condition: \"" + text + "\"");
  }
  return condition;
}

bool WaitCondition::holds(const volumes::Object& object) const {
  switch (type_) {
    case Type::Deletion:
      return false;
    case Type::Creation:
      return true;
    case Type::Phase:
      return volumes::text_at(object.document, {"status", "phase"}) == value_;
    case Type::Condition: {
      const Json& conditions = volumes::value_at(object.document, {"status", "conditions"});
      return conditions.is_array() && std::ranges::any_of(conditions, [this](const Json& each) {
               return lower(volumes::text_at(each, "type")) == lower(name_) &&
                      lower(volumes::text_at(each, "status")) == lower(*value_);
             });
    }
    case Type::JsonPath: {
      const auto found = path_->find(object.document);
      return !found.empty() && (!value_ || json_path_text(*found.front()) == *value_);
    }
  }
  return false;
}

}  // namespace claimfs::cli
