#pragma once

#include <optional>
#include <string>

#include "cli/failure.h"
#include "cli/json_path.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What `wait --for` waits for: delete, create, condition=TYPE[=VALUE], jsonpath={PATH}[=VALUE] as
// kubectl has them, and phase=PHASE.
class WaitCondition {
 public:
  static Outcome<WaitCondition> parse(const std::string& text);

  bool is_deletion() const { return type_ == Type::Deletion; }
  // Whether an object that is not there yet is waited for; to the others it is an error.
  bool may_come() const { return type_ == Type::Creation || type_ == Type::Phase; }

  // Of an object that is there.
  bool holds(const volumes::Object& object) const;

 private:
  enum class Type { Deletion, Creation, Phase, Condition, JsonPath };
  static Outcome<WaitCondition> parse_json_path(const std::string& text);

  Type type_ = Type::Deletion;
  std::string name_;                  // Condition
  std::optional<std::string> value_;  // absent: that there is one
  std::optional<JsonPath> path_;
};

}  // namespace claimfs::cli
