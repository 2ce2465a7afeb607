#include "cli/names_on_command_line.h"

#include <sstream>

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::ObjectKey;

Outcome<Kind> kind_of(const std::string& word) {
  if (const auto kind = volumes::kind_from_word(word)) return *kind;
  return fail(ExitStatus::Usage, "error: the server doesn't have a resource type \"" + word +
                                     "\": it has pv, pvc, sc, pod, event and attachment");
}

ObjectKey key_of(Kind kind, const std::string& name_space, const std::string& name) {
  return {kind, volumes::names_of(kind).namespaced ? name_space : "", name};
}

}  // namespace

Outcome<Selection> parse_selection(const std::vector<std::string>& words,
                                   const std::string& name_space) {
  if (words.empty()) {
    return fail(
        ExitStatus::Usage,
        "error: You must specify the type of resource: pv, pvc, sc, pod, event or attachment");
  }
  Selection selection;
  const bool with_slashes = words.front().find('/') != std::string::npos;
  if (with_slashes) {
    for (const std::string& word : words) {
      const auto slash = word.find('/');
      if (slash == std::string::npos || slash + 1 == word.size()) {
        return fail(ExitStatus::Usage, "error: expected KIND/NAME, not \"" + word + "\"");
      }
      const auto kind = kind_of(word.substr(0, slash));
      if (!kind) return tl::unexpected(kind.error());
      if (selection.kinds.empty() || selection.kinds.back() != *kind)
        selection.kinds.push_back(*kind);
      selection.keys.push_back(key_of(*kind, name_space, word.substr(slash + 1)));
    }
    return selection;
  }
  std::istringstream kinds(words.front());
  for (std::string word; std::getline(kinds, word, ',');) {
    const auto kind = kind_of(word);
    if (!kind) return tl::unexpected(kind.error());
    selection.kinds.push_back(*kind);
  }
  for (Kind kind : selection.kinds) {
    for (std::size_t i = 1; i < words.size(); ++i)
      selection.keys.push_back(key_of(kind, name_space, words[i]));
  }
  return selection;
}

Outcome<std::vector<ObjectKey>> parse_names(const std::vector<std::string>& words,
                                            const std::string& name_space) {
  auto selection = parse_selection(words, name_space);
  if (!selection) return tl::unexpected(selection.error());
  if (selection->keys.empty())
    return fail(ExitStatus::Usage, "error: resource(s) were provided, but no name was specified");
  return std::move(selection->keys);
}

}  // namespace claimfs::cli
