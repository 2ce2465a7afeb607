#include "cli/key_changes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "volumes/metadata.h"
#include "volumes/names.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

tl::unexpected<Failure> usage(const std::string& message) {
  return fail(ExitStatus::Usage, "error: " + message);
}

bool is_change(const std::string& word) {
  return (word.find('=') != std::string::npos && word.front() != '=') ||
         (word.ends_with('-') && word.size() > 1);
}

// The reason that annotations may always be given anew.
constexpr std::string_view kChangeCause = "kubernetes.io/change-cause";

}  // namespace

Outcome<KeyChanges> KeyChanges::take(std::vector<std::string>& words, KeyMap map, bool has_files) {
  const bool is_label = map == KeyMap::Labels;
  const std::string noun = is_label ? "label" : "annotation";
  const auto first = std::ranges::find_if(words, is_change);
  KeyChanges changes;
  changes.map_ = map;
  for (auto word = first; word != words.end(); ++word) {
    if (!is_change(*word))
      return usage("all resources must be specified before " + noun + " changes: " + *word);
    const auto equal = word->find('=');
    if (equal == std::string::npos) {
      changes.removed_.push_back(word->substr(0, word->size() - 1));
      continue;
    }
    const std::string value = word->substr(equal + 1);
    if (is_label) {
      if (value.find('=') != std::string::npos) return usage("invalid label spec: " + *word);
      if (const auto problem = volumes::label_value_problem(value))
        return usage("invalid label value: " + Json(*word).dump() + ": " + *problem);
    }
    changes.set_.insert_or_assign(word->substr(0, equal), value);
  }
  words.erase(first, words.end());
  if (words.empty() && !has_files) {
    return usage(
        "one or more resources must be specified as <resource> <name> or <resource>/<name>");
  }
  if (changes.set_.empty() && changes.removed_.empty())
    return usage("at least one " + noun + " update is required");
  std::string both;
  for (const std::string& key : changes.removed_) {
    if (changes.set_.contains(key)) both += (both.empty() ? "" : ", ") + key;
  }
  if (both.empty()) return changes;
  return usage(is_label ? "can not both modify and remove a label in the same command"
                        : "can not both modify and remove the following annotation(s) in the same "
                          "command: " +
                              both);
}

Outcome<void> KeyChanges::check_overwrites(const Object& object) const {
  const auto now = volumes::string_map(volumes::value_at(object.document, {"metadata", field()}));
  std::vector<std::string> taken;
  for (const auto& [key, value] : set_) {
    const auto found = now.find(key);
    if (found == now.end() || (map_ == KeyMap::Annotations && key == kChangeCause)) continue;
    taken.push_back("'" + key + "' already has a value (" + found->second + ")");
  }
  if (taken.empty()) return {};
  std::string text;
  for (const std::string& each : taken) {
    if (map_ == KeyMap::Labels) {
      // kubectl puts "error: " before a single mistake only.
      text += (text.empty() ? "" : "\n") + std::string(taken.size() == 1 ? "error: " : "") + each +
              ", and --overwrite is false";
    } else {
      text += (text.empty() ? "" : "; ") + each;
    }
  }
  if (map_ == KeyMap::Annotations) {
    text = "error: --overwrite is false but found the following declared annotation(s): " + text;
  }
  return fail(ExitStatus::Failed, text);
}

std::vector<std::string> KeyChanges::missing(const Object& object) const {
  const auto now = volumes::string_map(volumes::value_at(object.document, {"metadata", field()}));
  std::vector<std::string> keys;
  std::ranges::copy_if(removed_, std::back_inserter(keys),
                       [&now](const std::string& key) { return !now.contains(key); });
  return keys;
}

Json KeyChanges::patch(const Object& object) const {
  const auto now = volumes::string_map(volumes::value_at(object.document, {"metadata", field()}));
  Json keys = Json::object();
  for (const auto& [key, value] : set_) {
    const auto found = now.find(key);
    if (found == now.end() || found->second != value) keys[key] = value;
  }
  for (const std::string& key : removed_) {
    if (now.contains(key)) keys[key] = nullptr;
  }
  return keys.empty() ? Json::object() : Json{{"metadata", {{field(), std::move(keys)}}}};
}

std::string KeyChanges::deed(const Object& object, bool overwrites) const {
  if (map_ == KeyMap::Annotations) return "annotated";
  const Json change = patch(object);
  if (change.empty()) return "not labeled";
  Object after = object;
  after.document.merge_patch(change);
  // That is how kubectl tells: the object became shorter, and not for a shorter value.
  const bool is_shorter = after.document.dump().size() < object.document.dump().size();
  return is_shorter && !overwrites ? "unlabeled" : "labeled";
}

}  // namespace claimfs::cli
