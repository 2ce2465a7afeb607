#include "volumes/path_template.h"

#include <optional>
#include <sstream>

#include "volumes/notice.h"

namespace claimfs::volumes {
namespace {

constexpr std::size_t kLongestComponent = 255;
constexpr std::size_t kLongestPath = 3072;  // leaves room for the base within PATH_MAX

std::string value_of(const StringMap& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? "" : found->second;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// What follows `prefix`, if the word begins with it.
std::optional<std::string> after(const std::string& word, const std::string& prefix) {
  if (!word.starts_with(prefix) || word.size() == prefix.size()) return std::nullopt;
  return word.substr(prefix.size());
}

// {{ index .PVC.Annotations "key" }}: for keys that are no Go identifiers.
std::optional<std::string> indexed(const std::string& word, const Claim& claim) {
  std::istringstream words(word);
  std::string index, map, key, more;
  words >> index >> map >> key >> more;
  if (index != "index" || !more.empty() || key.size() < 2 || !key.starts_with('"') ||
      !key.ends_with('"'))
    return std::nullopt;
  key = key.substr(1, key.size() - 2);
  if (map == ".PVC.Labels") return value_of(claim.metadata.labels, key);
  if (map == ".PVC.Annotations") return value_of(claim.metadata.annotations, key);
  return std::nullopt;
}

std::optional<std::string> value_of(const std::string& word, TemplateStyle style,
                                    const Claim& claim, const std::string& volume_name) {
  const Metadata& metadata = claim.metadata;
  switch (style) {
    case TemplateStyle::Csi:
      if (word == "pvc.metadata.name") return metadata.name;
      if (word == "pvc.metadata.namespace") return metadata.name_space;
      if (word == "pv.metadata.name") return volume_name;
      break;
    case TemplateStyle::NfsSubdir:
      if (word == ".PVC.name") return metadata.name;
      if (word == ".PVC.namespace") return metadata.name_space;
      if (const auto key = after(word, ".PVC.labels.")) return value_of(metadata.labels, *key);
      if (const auto key = after(word, ".PVC.annotations."))
        return value_of(metadata.annotations, *key);
      break;
    case TemplateStyle::LocalPath:
      if (word == ".PVName") return volume_name;
      if (word == ".PVC.Name" || word == ".PVC.ObjectMeta.Name") return metadata.name;
      if (word == ".PVC.Namespace" || word == ".PVC.ObjectMeta.Namespace")
        return metadata.name_space;
      if (const auto key = after(word, ".PVC.Labels.")) return value_of(metadata.labels, *key);
      if (const auto key = after(word, ".PVC.Annotations."))
        return value_of(metadata.annotations, *key);
      return indexed(word, claim);
  }
  return std::nullopt;
}

}  // namespace

tl::expected<std::string, std::string> fill_in(const std::string& text, TemplateStyle style,
                                               const Claim& claim, const std::string& volume_name) {
  const std::string open = style == TemplateStyle::LocalPath ? "{{" : "${";
  const std::string close = style == TemplateStyle::LocalPath ? "}}" : "}";
  std::string filled;
  std::size_t at = 0;
  while (true) {
    const auto begin = text.find(open, at);
    filled += text.substr(at, begin - at);
    if (begin == std::string::npos) return filled;
    const auto end = text.find(close, begin);
    if (end == std::string::npos)
      return tl::unexpected("the path " + in_quotes(text) + " has a " + in_quotes(open) +
                            " without its " + in_quotes(close));
    const std::string word = text.substr(begin + open.size(), end - begin - open.size());
    const auto value = value_of(trimmed(word), style, claim, volume_name);
    if (!value) {
      return tl::unexpected("the path " + in_quotes(text) + " refers to " +
                            in_quotes(trimmed(word)) + ", which is not known");
    }
    filled += *value;
    at = end + close.size();
  }
}

tl::expected<std::string, std::string> path_below_base(const std::string& path) {
  const auto refuse = [&path](const std::string& why) {
    return tl::unexpected("the path " + in_quotes(path) + " " + why);
  };
  if (path.size() > kLongestPath) return refuse("is too long");
  if (path.find('\0') != std::string::npos) return refuse("has a NUL in it");
  const auto first = path.find_first_not_of('/');
  if (first == std::string::npos) return refuse("is empty");
  std::string below = path.substr(first, path.find_last_not_of('/') - first + 1);
  std::istringstream components(below);
  for (std::string component; std::getline(components, component, '/');) {
    if (component.empty()) return refuse("has an empty component");
    if (component == "." || component == "..")
      return refuse("must not contain '" + component + "'");
    if (component.size() > kLongestComponent) return refuse("has a component that is too long");
  }
  return below;
}

}  // namespace claimfs::volumes
