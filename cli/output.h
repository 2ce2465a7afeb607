#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "cli/json_path.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What was asked for with -o.
class OutputFormat {
 public:
  // "", wide, json, yaml, name, jsonpath=…, jsonpath-as-json=…, jsonpath-file=…, custom-columns=…
  // and custom-columns-file=…; usage error otherwise. Reads the file.
  static Outcome<OutputFormat> parse(const std::string& text);

  // Whether it is a table of kubectl's own columns.
  bool is_table() const { return type_ == Type::Columns || type_ == Type::Wide; }
  bool is_wide() const { return type_ == Type::Wide; }

  // The text for these objects in any format but a table. `as_list`: a List even if it is one
  // object.
  Outcome<std::string> text(const std::vector<volumes::Object>& objects, bool as_list) const;
  // The same for a document that need not be an object, as `--output-watch-events` prints them.
  Outcome<std::string> text_of(const volumes::Json& document) const;

  // Custom columns are a table too, that may be printed row by row.
  bool has_custom_columns() const { return type_ == Type::CustomColumns; }
  std::vector<std::string> custom_titles() const;
  std::vector<std::string> custom_cells(const volumes::Json& document) const;

  bool is_name() const { return type_ == Type::Name; }
  bool is_yaml() const { return type_ == Type::Yaml; }

  // Leaves the custom columns' titles out.
  void omit_titles() { with_titles_ = false; }
  // JSON and YAML show metadata.managedFields.
  void show_managed_fields() { with_managed_fields_ = true; }

 private:
  enum class Type { Columns, Wide, Json, Yaml, Name, JsonPath, JsonPathAsJson, CustomColumns };
  struct Column {
    std::string title;
    JsonPath path;
  };
  static Outcome<std::vector<Column>> columns_of(const std::string& specification);
  static Outcome<std::vector<Column>> columns_of_file(const std::string& file);
  volumes::Json shown(const volumes::Object& object) const;

  Type type_ = Type::Columns;
  std::string template_;
  std::vector<Column> columns_;
  bool with_titles_ = true;
  bool with_managed_fields_ = false;
};

}  // namespace claimfs::cli
