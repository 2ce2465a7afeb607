#include "cli/output.h"

#include <fstream>
#include <iterator>
#include <sstream>

#include "cli/columns.h"
#include "config/yaml_writer.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

Json list_of(Json items) {
  return {{"apiVersion", "v1"},
          {"items", std::move(items)},
          {"kind", "List"},
          {"metadata", {{"resourceVersion", ""}}}};
}

std::string json_text(const Json& document) {
  return document.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
}

tl::unexpected<Failure> usage(const Error& error) {
  return fail(ExitStatus::Usage, "error: " + error.context);
}

Outcome<std::string> read_template(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(stream), {});
  if (!stream) return fail(ExitStatus::Usage, "error: error reading template " + file);
  return text;
}

// What follows "NAME=" when the format is that one.
std::optional<std::string> argument_of(const std::string& text, std::string_view name) {
  if (!text.starts_with(name) || text.substr(name.size(), 1) != "=") return std::nullopt;
  return text.substr(name.size() + 1);
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
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
  } else if (const auto path = argument_of(text, "jsonpath")) {
    format.type_ = Type::JsonPath;
    format.template_ = *path;
  } else if (const auto as_json = argument_of(text, "jsonpath-as-json")) {
    format.type_ = Type::JsonPathAsJson;
    format.template_ = *as_json;
  } else if (const auto file = argument_of(text, "jsonpath-file")) {
    auto read = read_template(*file);
    if (!read) return tl::unexpected(read.error());
    format.type_ = Type::JsonPath;
    format.template_ = std::move(*read);
  } else if (const auto columns = argument_of(text, "custom-columns")) {
    auto parsed = columns_of(*columns);
    if (!parsed) return tl::unexpected(parsed.error());
    format.type_ = Type::CustomColumns;
    format.columns_ = std::move(*parsed);
  } else if (const auto columns_file = argument_of(text, "custom-columns-file")) {
    auto parsed = columns_of_file(*columns_file);
    if (!parsed) return tl::unexpected(parsed.error());
    format.type_ = Type::CustomColumns;
    format.columns_ = std::move(*parsed);
  } else if (text == "jsonpath" || text == "jsonpath-as-json" || text == "jsonpath-file") {
    return fail(ExitStatus::Usage, "error: template format specified but no template given");
  } else if (text == "custom-columns" || text == "custom-columns-file") {
    return fail(ExitStatus::Usage,
                "error: custom-columns format specified but no custom columns given");
  } else {
    return fail(ExitStatus::Usage,
                "error: unable to match a printer suitable for the output format \"" + text +
                    "\", allowed formats are: custom-columns,custom-columns-file,json,jsonpath,"
                    "jsonpath-as-json,jsonpath-file,name,wide,yaml");
  }
  return format;
}

Outcome<std::vector<OutputFormat::Column>> OutputFormat::columns_of(
    const std::string& specification) {
  if (specification.empty()) {
    return fail(ExitStatus::Usage,
                "error: custom-columns format specified but no custom columns given");
  }
  std::vector<Column> columns;
  std::istringstream stream(specification);
  for (std::string column; std::getline(stream, column, ',');) {
    const auto colon = column.find(':');
    if (colon == std::string::npos) {
      return fail(ExitStatus::Usage, "error: unexpected custom-columns spec: " + column +
                                         ", expected <header>:<json-path-expr>");
    }
    auto path = JsonPath::parse_relaxed(column.substr(colon + 1));
    if (!path) return usage(path.error());
    columns.push_back({column.substr(0, colon), std::move(*path)});
  }
  return columns;
}

// A line of titles and a line of paths.
Outcome<std::vector<OutputFormat::Column>> OutputFormat::columns_of_file(const std::string& file) {
  const auto text = read_template(file);
  if (!text) return tl::unexpected(text.error());
  std::istringstream stream(*text);
  std::string titles_line, paths_line;
  if (!std::getline(stream, titles_line) || !std::getline(stream, paths_line)) {
    return fail(ExitStatus::Usage,
                "error: invalid template, missing header line. Expected format is one line of "
                "space separated headers, one line of space separated column specs.");
  }
  const auto titles = words_of(titles_line), paths = words_of(paths_line);
  if (titles.size() != paths.size()) {
    return fail(ExitStatus::Usage, "error: number of headers (" + std::to_string(titles.size()) +
                                       ") and field specifications (" +
                                       std::to_string(paths.size()) + ") don't match");
  }
  std::vector<Column> columns;
  for (std::size_t i = 0; i < titles.size(); ++i) {
    auto path = JsonPath::parse_relaxed(paths[i]);
    if (!path) return usage(path.error());
    columns.push_back({titles[i], std::move(*path)});
  }
  return columns;
}

std::vector<std::string> OutputFormat::custom_titles() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  return titles;
}

std::vector<std::string> OutputFormat::custom_cells(const Json& document) const {
  std::vector<std::string> cells;
  for (const Column& column : columns_) {
    std::string cell;
    bool is_first = true;
    for (const Json* value : column.path.find(document)) {
      cell += (is_first ? "" : ",") + json_path_text(*value);
      is_first = false;
    }
    cells.push_back(is_first ? "<none>" : cell);
  }
  return cells;
}

Json OutputFormat::shown(const Object& object) const {
  Json document = object.document;
  const bool hides = (type_ == Type::Json || type_ == Type::Yaml) && !with_managed_fields_;
  if (hides && document.contains("metadata") && document["metadata"].is_object())
    document["metadata"].erase("managedFields");
  return document;
}

Outcome<std::string> OutputFormat::text_of(const Json& document) const {
  if (type_ == Type::Json) return json_text(document);
  if (type_ == Type::Yaml) return config::to_yaml(document);
  if (type_ == Type::JsonPathAsJson) {
    auto found = find_in_json_path(template_, document);
    if (!found) return usage(found.error());
    return json_text(*found);
  }
  auto expanded = expand_json_path(template_, document);
  if (!expanded) return usage(expanded.error());
  return std::move(*expanded);
}

Outcome<std::string> OutputFormat::text(const std::vector<Object>& objects, bool as_list) const {
  if (type_ == Type::Name) {
    std::string names;
    for (const Object& object : objects) names += qualified_name(object) + "\n";
    return names;
  }
  if (type_ == Type::CustomColumns) {
    Table table;
    if (with_titles_) table.push_back(custom_titles());
    for (const Object& object : objects) table.push_back(custom_cells(object.document));
    return table_text(table);
  }
  if (!as_list && objects.size() == 1) return text_of(shown(objects.front()));
  Json items = Json::array();
  for (const Object& object : objects) items.push_back(shown(object));
  return text_of(list_of(std::move(items)));
}

}  // namespace claimfs::cli
