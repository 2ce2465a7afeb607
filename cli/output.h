#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/failure.h"
#include "volumes/label_selector.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What was asked for with -o.
class OutputFormat {
 public:
  // "", wide, json, yaml, name, jsonpath=…, custom-columns=…; usage error otherwise.
  static Outcome<OutputFormat> parse(const std::string& text);

  // Whether it is a table of kubectl's own columns.
  bool is_table() const { return type_ == Type::Columns || type_ == Type::Wide; }
  bool is_wide() const { return type_ == Type::Wide; }

  // The text for these objects in any format but a table. `as_list`: a List even if it is one
  // object.
  Outcome<std::string> text(const std::vector<volumes::Object>& objects, bool as_list) const;

 private:
  enum class Type { Columns, Wide, Json, Yaml, Name, JsonPath, CustomColumns };
  Type type_ = Type::Columns;
  std::string template_;
};

// Sorts by the value at a JSONPath, as --sort-by does: numbers as numbers, quantities by size, all
// else as text.
Outcome<void> sort_by(std::vector<volumes::Object>& objects, const std::string& path);

// `-l` of kubectl: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`.
class Selector {
 public:
  static Outcome<Selector> parse(const std::string& text);
  bool matches(const volumes::Object& object) const;

 private:
  std::vector<volumes::Requirement> requirements_;
};

}  // namespace claimfs::cli
