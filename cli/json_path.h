#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "volumes/object.h"

namespace claimfs::cli {

// kubectl's JSONPath: `.a.b`, `['k']`, `.a\.b`, `[0]`, `[-1]`, `[*]`, `.*`, `..name`,
// `[?(@.a=="x")]`.
class JsonPath {
 public:
  // With or without the leading dot or `$`. EINVAL with what is wrong.
  static Result<JsonPath> parse(std::string_view text);

  std::vector<const volumes::Json*> find(const volumes::Json& document) const;

 private:
  struct Step {
    enum class Type { Key, Index, All, Descend, Filter };
    Type type = Type::Key;
    std::string key;                          // Key, Descend
    long index = 0;                           // Index, from the end when negative
    std::shared_ptr<const JsonPath> operand;  // Filter: what is compared
    std::string comparison;                   // Filter: "==", "!="; empty: it exists
    volumes::Json value;
  };
  static void apply(const Step& step, const volumes::Json& at,
                    std::vector<const volumes::Json*>& found);

  std::vector<Step> steps_;
};

// A whole jsonpath template: literal text, `{path}`, `{"text"}`, `{range path}…{end}`.
// Values print as kubectl prints them: strings bare, all else as JSON, several with blanks between.
Result<std::string> expand_json_path(std::string_view text, const volumes::Json& document);

// A value as a cell or word.
std::string json_path_text(const volumes::Json& value);

}  // namespace claimfs::cli
