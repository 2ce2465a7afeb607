#include "cli/json_path.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace claimfs::cli {
namespace {

using volumes::Json;

const Json kMissing;

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

std::optional<long> number(std::string_view text) {
  long value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// Where the comparison of a filter stands, outside of quotes; nowhere: npos.
std::size_t find_comparison(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '<' || c == '>' ||
               ((c == '=' || c == '!') && text.substr(i + 1).starts_with('='))) {
      return i;
    }
  }
  return std::string_view::npos;
}

bool holds(const Json& left, const std::string& comparison, const Json& right) {
  if (comparison == "==") return left == right;
  if (comparison == "!=") return left != right;
  // Only what is of one kind has an order.
  if (!(left.is_number() && right.is_number()) && !(left.is_string() && right.is_string()))
    return false;
  if (comparison == "<") return left < right;
  if (comparison == "<=") return left <= right;
  if (comparison == ">") return left > right;
  return left >= right;
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote ? text[i] == quote : text[i] == '"' || text[i] == '\'') {
      quote = quote ? 0 : text[i];
    } else if (!quote && text[i] == ',') {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

}  // namespace

Result<JsonPath> JsonPath::parse_relaxed(std::string_view text) {
  text = trim(text);
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  return parse(text);
}

Result<JsonPath::Step> JsonPath::parse_filter(std::string_view condition, std::string_view whole) {
  Step step;
  step.type = Step::Type::Filter;
  const std::size_t at = find_comparison(condition);
  if (at != std::string_view::npos) {
    const bool is_long = condition.substr(at + 1).starts_with('=');
    step.comparison = condition.substr(at, is_long ? 2 : 1);
    const std::string_view value = trim(condition.substr(at + step.comparison.size()));
    step.value = is_quoted(value) ? Json(unquoted(value)) : Json::parse(value, nullptr, false);
    if (step.value.is_discarded()) return wrong("no value to compare with", whole);
    condition = condition.substr(0, at);
  }
  step.operand = std::make_shared<const JsonPath>(TRY(parse(condition)));
  return step;
}

// What stands between brackets.
Result<JsonPath::Step> JsonPath::parse_brackets(std::string_view inner, std::string_view whole) {
  if (inner.starts_with("?(") && inner.ends_with(')'))
    return parse_filter(inner.substr(2, inner.size() - 3), whole);
  Step step;
  const auto parts = split_at_commas(inner);
  if (parts.size() > 1) {
    step.type = Step::Type::Union;
    for (const std::string_view part : parts) {
      JsonPath member;
      member.steps_.push_back(TRY(parse_brackets(part, whole)));
      step.members.push_back(std::move(member));
    }
    return step;
  }
  if (inner == "*") {
    step.type = Step::Type::All;
    return step;
  }
  if (is_quoted(inner)) {
    step.key = unquoted(inner);
    return step;
  }
  if (const std::size_t colon = inner.find(':'); colon != std::string_view::npos) {
    step.type = Step::Type::Slice;
    const std::string_view begin = inner.substr(0, colon);
    std::string_view end = inner.substr(colon + 1);
    if (const std::size_t second = end.find(':'); second != std::string_view::npos) {
      const auto stride = number(end.substr(second + 1));
      if (!stride || *stride <= 0) return wrong("no step of a slice", whole);
      step.stride = *stride;
      end = end.substr(0, second);
    }
    if (!begin.empty() && !number(begin)) return wrong("no index", whole);
    step.index = number(begin).value_or(0);
    if (!end.empty() && !number(end)) return wrong("no index", whole);
    step.end = number(end);
    return step;
  }
  step.type = Step::Type::Index;
  const auto index = number(inner);
  if (!index) return wrong("no index", whole);
  step.index = *index;
  return step;
}

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
      step = TRY(parse_brackets(trim(text.substr(1, end - 1)), whole));
      text.remove_prefix(end + 1);
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
      if (!at.is_object()) break;
      if (at.contains(step.key)) {
        found.push_back(&at[step.key]);
      } else if (const auto path = parse(step.key); path && path->steps_.size() > 1) {
        // To kubectl ['a.b'] is .a.b, and a dot that belongs to the key is written \\.
        for (const Json* each : path->find(at)) found.push_back(each);
      } else if (path && !path->steps_.empty() && at.contains(path->steps_.front().key)) {
        found.push_back(&at[path->steps_.front().key]);
      }
      break;
    case Step::Type::Index: {
      const long size = at.is_array() ? static_cast<long>(at.size()) : 0;
      const long index = step.index < 0 ? size + step.index : step.index;
      if (index >= 0 && index < size) found.push_back(&at[static_cast<std::size_t>(index)]);
      break;
    }
    case Step::Type::Slice: {
      const long size = at.is_array() ? static_cast<long>(at.size()) : 0;
      const auto place = [size](long index) {
        return std::clamp(index < 0 ? size + index : index, 0L, size);
      };
      for (long i = place(step.index); i < place(step.end.value_or(size)); i += step.stride)
        found.push_back(&at[static_cast<std::size_t>(i)]);
      break;
    }
    case Step::Type::Union:
      for (const JsonPath& member : step.members) {
        for (const Json* each : member.find(at)) found.push_back(each);
      }
      break;
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
        const Json& value = values.empty() ? kMissing : *values.front();
        if (step.comparison.empty() ? !values.empty() : holds(value, step.comparison, step.value))
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

Result<Json> find_in_json_path(std::string_view text, const Json& document) {
  Json values = Json::array();
  for (std::size_t open = text.find('{'); open != std::string_view::npos; open = text.find('{')) {
    const std::size_t close = closing(text, open, '{', '}');
    if (close == std::string_view::npos) return wrong("an open brace", text);
    const std::string_view expression = trim(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
    if (expression == "end" || is_quoted(expression)) continue;
    if (expression.starts_with("range")) return wrong("a range, which has no list", expression);
    const JsonPath path = TRY(JsonPath::parse(expression));
    for (const Json* each : path.find(document)) values.push_back(*each);
  }
  return values;
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
