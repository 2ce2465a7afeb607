#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "volumes/object.h"

namespace claimfs::cli {

// kubectl's JSONPath: `.a.b`, `['k']`, `.a\.b`, `[0]`, `[-1]`, `[1:3]`, `[0,2]`, `['a','b']`,
// `[*]`, `.*`, `..name`, `[?(@.a=="x")]` and the same with != < <= > >=.
class JsonPath {
 public:
  // With or without the leading dot or `$`. EINVAL with what is wrong.
  static Result<JsonPath> parse(std::string_view text);
  // The forms that --sort-by, custom-columns and --for take: `a.b`, `.a.b`, `{a.b}`, `{.a.b}`.
  static Result<JsonPath> parse_relaxed(std::string_view text);

  std::vector<const volumes::Json*> find(const volumes::Json& document) const;

 private:
  struct Step {
    enum class Type { Key, Index, Slice, All, Descend, Filter, Union };
    Type type = Type::Key;
    std::string key;                          // Key, Descend
    long index = 0;                           // Index, Slice; from the end when negative
    std::optional<long> end;                  // Slice
    long stride = 1;                          // Slice
    std::shared_ptr<const JsonPath> operand;  // Filter: what is compared
    std::string comparison;                   // Filter: "==", "<="; empty: it exists
    volumes::Json value;
    std::vector<JsonPath> members;  // Union
  };
  static Result<Step> parse_brackets(std::string_view inner, std::string_view whole);
  static Result<Step> parse_filter(std::string_view condition, std::string_view whole);
  static void apply(const Step& step, const volumes::Json& at,
                    std::vector<const volumes::Json*>& found);

  std::vector<Step> steps_;
};

// A whole jsonpath template: literal text, `{path}`, `{"text"}`, `{range path}…{end}`.
// Values print as kubectl prints them: strings bare, all else as JSON, several with blanks between.
Result<std::string> expand_json_path(std::string_view text, const volumes::Json& document);

// The values that the paths of such a template find, as one list.
Result<volumes::Json> find_in_json_path(std::string_view text, const volumes::Json& document);

// A value as a cell or word.
std::string json_path_text(const volumes::Json& value);

}  // namespace claimfs::cli
