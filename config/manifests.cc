#include "config/manifests.h"

#include <algorithm>
#include <utility>

#include "config/yaml_reader.h"

namespace claimfs::config {
namespace {

using volumes::Json;

constexpr std::string_view kList = "List";

std::string kind_of(const Json& document) { return volumes::text_at(document, "kind"); }

bool is_list(const Json& document) {
  if (!kind_of(document).ends_with(kList)) return false;
  const auto items = document.find("items");
  return items != document.end() && (items->is_array() || items->is_null());
}

// The lines of the item at `prefix`, by the item's own paths.
std::map<std::string, int> lines_below(const std::map<std::string, int>& lines,
                                       const std::string& prefix) {
  std::map<std::string, int> below;
  for (auto line = lines.lower_bound(prefix);
       line != lines.end() && line->first.starts_with(prefix); ++line) {
    if (line->first.size() == prefix.size()) continue;
    below.emplace(line->first.substr(prefix.size() + 1), line->second);
  }
  return below;
}

// The API leaves kind and apiVersion out of the items of a typed list.
void inherit_kind(Json& item, const Json& list) {
  const std::string list_kind = kind_of(list);
  if (list_kind == kList || item.contains("kind") || item.contains("apiVersion")) return;
  item["kind"] = list_kind.substr(0, list_kind.size() - kList.size());
  if (list.contains("apiVersion")) item["apiVersion"] = list["apiVersion"];
}

void add(Manifest manifest, Manifests& result) {
  if (!manifest.document.is_object()) {
    const Json& found = manifest.document;
    result.complaints.push_back(
        {manifest.file, manifest.line,
         "expected an object with apiVersion and kind, found " +
             (found.is_array()    ? "a list"
              : found.is_string() ? in_quotes(found.get_ref<const std::string&>())
                                  : found.dump())});
    return;
  }
  if (!is_list(manifest.document)) {
    result.manifests.push_back(std::move(manifest));
    return;
  }
  // Recursion ends where the reader's limit of levels does.
  Json& items = manifest.document["items"];
  for (size_t index = 0; index < items.size(); ++index) {
    const std::string path = "items[" + std::to_string(index) + "]";
    Json item = std::move(items[index]);
    if (item.is_object()) inherit_kind(item, manifest.document);
    add({std::move(item), manifest.file, line_of(manifest, path),
         lines_below(manifest.lines, path)},
        result);
  }
}

// `a[b].c[0]` as the reader writes it: `a.b.c[0]`.
std::string normal_path(std::string_view path) {
  std::string normal;
  while (!path.empty()) {
    const size_t open = std::min(path.find('['), path.size());
    normal += path.substr(0, open);
    path.remove_prefix(open);
    const size_t close = path.find(']');
    if (close == std::string_view::npos) return normal.append(path);
    const std::string_view inside = path.substr(1, close - 1);
    const bool is_index =
        !inside.empty() && inside.find_first_not_of("0123456789") == std::string_view::npos;
    normal += is_index ? "[" : normal.empty() ? "" : ".";
    normal += inside;
    if (is_index) normal += "]";
    path.remove_prefix(close + 1);
  }
  return normal;
}

}  // namespace

Manifests read_manifests(std::string_view text, const std::string& file_name,
                         const Limits& limits) {
  Documents read = read_documents(text, file_name, limits);
  Manifests result;
  result.complaints = std::move(read.complaints);
  for (Document& document : read.documents) {
    add({std::move(document.value), file_name, document.line, std::move(document.lines)}, result);
  }
  std::stable_sort(
      result.complaints.begin(), result.complaints.end(),
      [](const Complaint& left, const Complaint& right) { return left.line < right.line; });
  return result;
}

int line_of(const Manifest& manifest, std::string_view field_path) {
  // A key may contain dots itself, so its ancestor may be more than one dot away.
  for (std::string path = normal_path(field_path); !path.empty();) {
    const auto found = manifest.lines.find(path);
    if (found != manifest.lines.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return manifest.line;
}

}  // namespace claimfs::config
