#include "config/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/nearest_word.h"
#include "config/node_name.h"
#include "config/yaml_reader.h"

namespace claimfs::config {
namespace {

using volumes::Json;
using Words = std::initializer_list<std::string_view>;

constexpr int kMostConnections = 16;  // what the kernel's own NFS client allows
constexpr std::chrono::hours kLongestDeadline{1};

std::string listed(Words words) {
  std::string list;
  for (const std::string_view word : words) list.append(list.empty() ? "" : ", ").append(word);
  return list;
}

std::optional<std::chrono::milliseconds> duration_of(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  const int64_t unit_ms = unit == "ms"  ? 1
                          : unit == "s" ? 1000
                          : unit == "m" ? 60'000
                          : unit == "h" ? 3'600'000
                                        : 0;
  constexpr int64_t kMost = 1'000'000'000;  // so that the product fits
  if (error != std::errc() || unit_ms == 0 || number < 0 || number > kMost) return std::nullopt;
  return std::chrono::milliseconds(number * unit_ms);
}

// Takes a document's fields into a Config, and notes what is wrong with them.
class Reader {
 public:
  Reader(const Document& document, const std::string& file) : document_(document), file_(file) {}

  void read() {
    if (!check_keys("", {"node", "nodeLabels", "state", "store", "manifests", "capacity", "reclaim",
                         "nfs", "log", "metrics"})) {
      return;
    }
    read_node();
    read_path("state", config_.state);
    read_store();
    read_paths("manifests", config_.manifests);
    if (check_keys("capacity", {"enforcement"})) {
      read_word("capacity.enforcement", {"auto", "quota", "accounting", "none"},
                [this](size_t index) {
                  config_.capacity_enforcement = static_cast<CapacityEnforcement>(index);
                });
    }
    if (check_keys("reclaim", {"hostPathRoots"})) read_roots();
    if (check_keys("nfs", {"softDeadline", "connections"})) read_nfs();
    if (check_keys("log", {"level", "format", "file"})) read_log();
    if (check_keys("metrics", {"listen"})) refuse_metrics();
  }

  Config take_config() { return std::move(config_); }
  const std::vector<Complaint>& complaints() const { return complaints_; }

 private:
  // The value at a dotted path of known keys; nullptr where it is missing or null, which leaves the
  // default.
  const Json* find(std::string_view path) const {
    const Json* value = &document_.value;
    while (!path.empty()) {
      const size_t dot = std::min(path.find('.'), path.size());
      const auto found = value->is_object() ? value->find(path.substr(0, dot)) : value->end();
      if (found == value->end()) return nullptr;
      value = &*found;
      path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return value->is_null() ? nullptr : value;
  }

  void complain(const std::string& path, std::string what) {
    const auto line = document_.lines.find(path);
    complaints_.push_back(
        {file_, line == document_.lines.end() ? document_.line : line->second, std::move(what)});
  }

  // Whether there is a map at `path`; complains about keys of it that are not known.
  bool check_keys(const std::string& path, Words known) {
    const Json* const map = find(path);
    if (map == nullptr) return false;
    if (!map->is_object()) {
      const std::string example(known.begin()->data(), known.begin()->size());
      complain(path, (path.empty() ? "the configuration" : path) + " must be a map, as in `" +
                         (path.empty() ? example + ": …`" : path + ": {" + example + ": …}`"));
      return false;
    }
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const auto& [key, value] : map->items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string_view nearest = nearest_word(key, std::span(known.begin(), known.size()));
      complain(prefix + key, "unknown key " + in_quotes(prefix + key) + "; did you mean " +
                                 in_quotes(prefix + std::string(nearest)) + "?");
    }
    return true;
  }

  // The string at `path`, unless it is missing, or something else, which is complained about.
  const std::string* find_text(const std::string& path) {
    const Json* const value = find(path);
    return value == nullptr ? nullptr : text_of(path, *value);
  }

  const std::string* text_of(const std::string& path, const Json& value) {
    if (value.is_string()) return &value.get_ref<const std::string&>();
    const std::string hint = value.is_primitive() && !value.is_null() ? "; put it in quotes" : "";
    complain(path, path + " must be a string" + hint);
    return nullptr;
  }

  void read_node() {
    if (const std::string* name = find_text("node"); name != nullptr && !name->empty()) {
      if (!is_node_name(*name)) {
        complain("node", "node " + in_quotes(*name) +
                             " is no node name: up to 253 lower-case letters, digits, '-' and '.', "
                             "as in \"node-a\"");
      }
      config_.node = *name;
    }
    const Json* const labels = find("nodeLabels");
    if (labels == nullptr) return;
    if (!labels->is_object()) {
      return complain(
          "nodeLabels",
          "nodeLabels must be a map, as in `nodeLabels: {kubernetes.io/hostname: node-a}`");
    }
    for (const auto& [key, value] : labels->items()) {
      if (const std::string* text = text_of("nodeLabels." + key, value))
        config_.node_labels.emplace(key, *text);
    }
  }

  bool check_path(const std::string& path, const std::string& value) {
    if (value.starts_with('/')) return true;
    complain(path, path + " must be an absolute path, not " + in_quotes(value));
    return false;
  }

  void read_path(const std::string& path, std::string& into) {
    const std::string* const value = find_text(path);
    if (value != nullptr && check_path(path, *value)) into = *value;
  }

  void read_paths(const std::string& path, std::vector<std::string>& into) {
    const Json* const list = find(path);
    if (list == nullptr) return;
    if (!list->is_array()) return complain(path, path + " must be a list of paths, as in `[/tmp]`");
    into.clear();
    for (size_t index = 0; index < list->size(); ++index) {
      const std::string item_path = path + "[" + std::to_string(index) + "]";
      const std::string* const value = text_of(item_path, (*list)[index]);
      if (value != nullptr && check_path(item_path, *value)) into.push_back(*value);
    }
  }

  void read_roots() {
    const std::string path = "reclaim.hostPathRoots";
    read_paths(path, config_.host_path_roots);
    const Json* const list = find(path);
    for (size_t index = 0; list != nullptr && list->is_array() && index < list->size(); ++index) {
      const Json& root = (*list)[index];
      if (!root.is_string() || !is_file_system_root(root.get_ref<const std::string&>())) continue;
      complain(path + "[" + std::to_string(index) + "]",
               path +
                   " may not hold the whole file system; name the directories below which Delete "
                   "may remove");
    }
  }

  // "/", and what is another way to write it: "//", "/.", "/a/..".
  static bool is_file_system_root(std::string_view path) {
    if (!path.starts_with('/')) return false;
    size_t depth = 0;
    while (!path.empty()) {
      const size_t end = std::min(path.find('/'), path.size());
      const std::string_view name = path.substr(0, end);
      if (name == "..") {
        depth -= depth > 0 ? 1 : 0;
      } else if (!name.empty() && name != ".") {
        ++depth;
      }
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    return depth == 0;
  }

  void read_store() {
    const std::string* const store = find_text("store");
    if (store == nullptr) return;
    constexpr std::string_view kSqlite = "sqlite://";
    if (store->starts_with("etcd://")) {
      complain("store", "store etcd:// is not in this version; use sqlite or sqlite:///PATH");
    } else if (*store != "sqlite" &&
               !(store->starts_with("sqlite:///") && store->size() > kSqlite.size() + 1)) {
      complain("store", "unknown store " + in_quotes(*store) + "; use sqlite or sqlite:///PATH");
    }
    config_.store = *store;
  }

  template <class Set>
  void read_word(const std::string& path, Words known, Set set) {
    const std::string* const word = find_text(path);
    if (word == nullptr) return;
    const auto found = std::find(known.begin(), known.end(), *word);
    if (found != known.end()) return set(static_cast<size_t>(found - known.begin()));
    complain(path, "unknown " + path + " " + in_quotes(*word) + "; known are " + listed(known));
  }

  void read_nfs() {
    if (const std::string path = "nfs.softDeadline"; const Json* const value = find(path)) {
      const auto deadline =
          value->is_string() ? duration_of(value->get_ref<const std::string&>()) : std::nullopt;
      if (!deadline || deadline->count() == 0 || *deadline > kLongestDeadline) {
        complain(path,
                 path + " must be a duration of up to 1h with its unit, as in 30s, 500ms or 2m");
      } else {
        config_.nfs_soft_deadline = *deadline;
      }
    }
    if (const std::string path = "nfs.connections"; const Json* const value = find(path)) {
      const bool fits = value->is_number_integer() && *value >= 1 && *value <= kMostConnections;
      if (!fits)
        return complain(path,
                        path + " must be a number from 1 to " + std::to_string(kMostConnections));
      config_.nfs_connections = value->get<int>();
    }
  }

  void read_log() {
    const Words levels = {"error", "warn", "info", "debug"};
    read_word("log.level", levels,
              [&](size_t index) { config_.log_level = *(levels.begin() + index); });
    read_word("log.format", {"text", "json"},
              [this](size_t index) { config_.log_format = static_cast<LogFormat>(index); });
    if (const std::string* file = find_text("log.file"); file != nullptr && !file->empty()) {
      read_path("log.file", config_.log_file);
    }
  }

  void refuse_metrics() {
    const std::string* const listen = find_text("metrics.listen");
    if (listen == nullptr || listen->empty()) return;
    complain("metrics.listen",
             "metrics.listen is not in this version; leave it empty and read .claimfs/metrics");
  }

  const Document& document_;
  const std::string& file_;
  Config config_;
  std::vector<Complaint> complaints_;
};

tl::unexpected<Error> failure_of(std::vector<Complaint> complaints) {
  std::stable_sort(
      complaints.begin(), complaints.end(),
      [](const Complaint& left, const Complaint& right) { return left.line < right.line; });
  std::string text;
  for (const Complaint& complaint : complaints)
    text += (text.empty() ? "" : "\n") + complaint.text();
  return failure(EINVAL, std::move(text));
}

}  // namespace

Result<Config> parse(std::string_view text, const std::string& file_name) {
  Documents read = read_documents(text, file_name);
  if (read.complaints.empty() && read.documents.size() > 1) {
    read.complaints.push_back(
        {file_name, read.documents[1].line, "a second document; a configuration is one"});
  }
  if (!read.complaints.empty()) return failure_of(std::move(read.complaints));
  Config config;
  if (!read.documents.empty()) {
    Reader reader(read.documents.front(), file_name);
    reader.read();
    if (!reader.complaints().empty()) return failure_of(reader.complaints());
    config = reader.take_config();
  }
  if (config.node.empty()) config.node = host_node_name();
  return config;
}

Result<Config> load(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return failure_from_errno(path);
  std::string text;
  std::array<char, 65536> buffer;
  while (text.size() <= kMostBytes) {  // parse() refuses what is more
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure_from_errno(path);
    if (count == 0) break;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  return parse(text, path);
}

}  // namespace claimfs::config
