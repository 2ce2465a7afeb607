#include "cli/json_path.h"

#include <cerrno>
#include <charconv>

namespace claimfs::cli {
namespace {

using volumes::Json;

tl::unexpected<Error> wrong(std::string_view what, std::string_view text) {
  return failure(EINVAL, "jsonpath: " + std::string(what) + " in \"" + std::string(text) + "\"");
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool is_quoted(std::string_view text) {
  return text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
         text.back() == text.front();
}

std::string unquoted(std::string_view text) {
  if (text.front() == '"') {
    const Json parsed = Json::parse(text, nullptr, false);
    if (parsed.is_string()) return parsed.get<std::string>();
  }
  return std::string(text.substr(1, text.size() - 2));
}

// The position of the bracket or brace that closes the one at `open`, quotes looked over.
std::size_t closing(std::string_view text, std::size_t open, char opener, char closer) {
  int depth = 0;
  char quote = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (quote) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == opener) {
      ++depth;
    } else if (c == closer && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view text) {
  const std::string_view whole = text;
  JsonPath path;
  text = trim(text);
  if (text.starts_with('$') || text.starts_with('@')) text.remove_prefix(1);
  while (!text.empty()) {
    Step step;
    if (text.front() == '[') {
      const std::size_t end = closing(text, 0, '[', ']');
      if (end == std::string_view::npos) return wrong("an open bracket", whole);
      std::string_view inner = trim(text.substr(1, end - 1));
      text.remove_prefix(end + 1);
      if (inner == "*") {
        step.type = Step::Type::All;
      } else if (is_quoted(inner)) {
        step.key = unquoted(inner);
      } else if (inner.starts_with("?(") && inner.ends_with(')')) {
        inner = inner.substr(2, inner.size() - 3);
        step.type = Step::Type::Filter;
        std::size_t at = inner.find("==");
        if (at == std::string_view::npos) at = inner.find("!=");
        if (at != std::string_view::npos) {
          step.comparison = inner.substr(at, 2);
          const std::string_view value = trim(inner.substr(at + 2));
          step.value =
              is_quoted(value) ? Json(unquoted(value)) : Json::parse(value, nullptr, false);
          if (step.value.is_discarded()) return wrong("no value to compare with", whole);
          inner = inner.substr(0, at);
        }
        step.operand = std::make_shared<const JsonPath>(TRY(parse(inner)));
      } else {
        step.type = Step::Type::Index;
        const auto [rest, error] =
            std::from_chars(inner.data(), inner.data() + inner.size(), step.index);
        if (error != std::errc() || rest != inner.data() + inner.size())
          return wrong("no index", whole);
      }
    } else {
      const bool descends = text.starts_with("..");
      if (text.front() == '.') text.remove_prefix(descends ? 2 : 1);
      if (text.empty() && path.steps_.empty()) break;  // "." is the document itself
      if (!descends && text.starts_with('[')) continue;
      for (; !text.empty() && text.front() != '.' && text.front() != '['; text.remove_prefix(1)) {
        if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
        step.key += text.front();
      }
      if (step.key.empty()) return wrong("an empty name", whole);
      if (step.key == "*") step.type = Step::Type::All;
      if (descends) step.type = Step::Type::Descend;
    }
    path.steps_.push_back(std::move(step));
  }
  return path;
}

void JsonPath::apply(const Step& step, const Json& at, std::vector<const Json*>& found) {
  switch (step.type) {
    case Step::Type::Key:
      if (at.is_object() && at.contains(step.key)) found.push_back(&at[step.key]);
      break;
    case Step::Type::Index: {
      const long size = at.is_array() ? static_cast<long>(at.size()) : 0;
      const long index = step.index < 0 ? size + step.index : step.index;
      if (index >= 0 && index < size) found.push_back(&at[static_cast<std::size_t>(index)]);
      break;
    }
    case Step::Type::All:
      if (at.is_structured()) {
        for (const Json& each : at) found.push_back(&each);
      }
      break;
    case Step::Type::Descend:
      if (at.is_object() && at.contains(step.key)) found.push_back(&at[step.key]);
      if (at.is_structured()) {
        for (const Json& each : at) apply(step, each, found);
      }
      break;
    case Step::Type::Filter:
      if (!at.is_array()) break;
      for (const Json& each : at) {
        const auto values = step.operand->find(each);
        const bool equal = !values.empty() && *values.front() == step.value;
        if (step.comparison.empty() ? !values.empty() : equal == (step.comparison == "=="))
          found.push_back(&each);
      }
      break;
  }
}

std::vector<const Json*> JsonPath::find(const Json& document) const {
  std::vector<const Json*> current = {&document};
  for (const Step& step : steps_) {
    std::vector<const Json*> next;
    for (const Json* at : current) apply(step, *at, next);
    current = std::move(next);
  }
  return current;
}

std::string json_path_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Result<std::string> expand_json_path(std::string_view text, const Json& document) {
  std::string output;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    output += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = closing(text, open, '{', '}');
    if (close == std::string_view::npos) return wrong("an open brace", text);
    const std::string_view expression = trim(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
    if (is_quoted(expression)) {
      output += unquoted(expression);
    } else if (expression == "range" || expression.starts_with("range ")) {
      const JsonPath path = TRY(JsonPath::parse(expression.substr(5)));
      // Up to the {end} of this range.
      std::size_t end = 0;
      for (int depth = 1; depth > 0; ++end) {
        end = text.find('{', end);
        if (end == std::string_view::npos) return wrong("a range without {end}", expression);
        if (text.substr(end).starts_with("{end}")) --depth;
        if (text.substr(end).starts_with("{range")) ++depth;
      }
      const std::string_view body = text.substr(0, end - 1);
      for (const Json* each : path.find(document)) output += TRY(expand_json_path(body, *each));
      text.remove_prefix(end - 1 + std::string_view("{end}").size());
    } else {
      const JsonPath path = TRY(JsonPath::parse(expression));
      bool is_first = true;
      for (const Json* each : path.find(document)) {
        output += (is_first ? "" : " ") + json_path_text(*each);
        is_first = false;
      }
    }
  }
  return output;
}

}  // namespace claimfs::cli
