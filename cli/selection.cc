#include "cli/selection.h"

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "cli/columns.h"
#include "cli/manifest_files.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

tl::unexpected<Failure> usage(const std::string& message) {
  return fail(ExitStatus::Usage, "error: " + message);
}

Outcome<Kind> kind_of(const std::string& word) {
  if (const auto kind = volumes::kind_from_word(word)) return *kind;
  return usage("the server doesn't have a resource type \"" + word +
               "\": it has pv, pvc, sc, pod, event and attachment");
}

ObjectKey key_of(Kind kind, const std::string& name_space, const std::string& name) {
  return {kind, volumes::names_of(kind).namespaced ? name_space : "", name};
}

Outcome<void> add_kinds(const std::string& word, Selection& selection) {
  std::istringstream kinds(word);
  for (std::string each; std::getline(kinds, each, ',');) {
    const auto kind = kind_of(each);
    if (!kind) return tl::unexpected(kind.error());
    if (std::ranges::find(selection.kinds, *kind) == selection.kinds.end())
      selection.kinds.push_back(*kind);
  }
  return {};
}

// KIND/NAME…
Outcome<void> add_slashed(const std::vector<std::string>& words, const std::string& name_space,
                          Selection& selection) {
  selection.by_name = true;
  for (const std::string& word : words) {
    const auto slash = word.find('/');
    if (slash == std::string::npos) {
      return usage(
          "there is no need to specify a resource type as a separate argument when passing "
          "arguments in resource/name form (e.g. 'claimfs get resource/<resource_name>' instead "
          "of 'claimfs get resource resource/<resource_name>'");
    }
    if (word.find('/', slash + 1) != std::string::npos)
      return usage("arguments in resource/name form may not have more than one slash");
    if (slash == 0 || slash + 1 == word.size() || word.find(',') < slash)
      return usage("arguments in resource/name form must have a single resource and name");
    const auto kind = kind_of(word.substr(0, slash));
    if (!kind) return tl::unexpected(kind.error());
    if (std::ranges::find(selection.kinds, *kind) == selection.kinds.end())
      selection.kinds.push_back(*kind);
    selection.keys.push_back(key_of(*kind, name_space, word.substr(slash + 1)));
  }
  return {};
}

// KIND[,KIND…] [NAME…]
Outcome<void> add_named(const std::vector<std::string>& words, const std::string& name_space,
                        Selection& selection) {
  if (const auto added = add_kinds(words.front(), selection); !added) return added;
  selection.by_name = words.size() > 1;
  for (Kind kind : selection.kinds) {
    for (std::size_t i = 1; i < words.size(); ++i)
      selection.keys.push_back(key_of(kind, name_space, words[i]));
  }
  return {};
}

Outcome<void> add_files(const ResourceArguments& arguments, Selection& selection) {
  auto written = read_files(arguments.files, arguments.name_space_or_default());
  if (!written) return tl::unexpected(written.error());
  if (!written->complaints.empty()) {
    std::string text;
    for (const std::string& complaint : written->complaints)
      text += (text.empty() ? "" : "\n") + complaint;
    return fail(ExitStatus::InvalidManifest, text);
  }
  selection.by_name = true;
  for (const WrittenObject& each : written->objects) {
    if (std::ranges::find(selection.kinds, each.object.kind) == selection.kinds.end())
      selection.kinds.push_back(each.object.kind);
    selection.keys.push_back(each.object.key());
  }
  return {};
}

// What may not stand together.
Outcome<void> check_company(const ResourceArguments& arguments, const Selection& selection,
                            bool has_slashes, KindAlone kind_alone) {
  const bool has_selector = !selection.labels.is_empty() || !selection.fields.is_empty();
  if (arguments.all && !selection.labels.is_empty())
    return usage("cannot set --all and --selector at the same time");
  if (arguments.all && !selection.fields.is_empty())
    return usage("cannot set --all and --field-selector at the same time");
  if (selection.by_name && (has_selector || arguments.all)) {
    return usage(has_slashes
                     ? "selectors and the all flag cannot be used when passing resource/name "
                       "arguments"
                     : "name cannot be provided when a selector is specified");
  }
  const bool selects_all = arguments.all || has_selector || kind_alone == KindAlone::MeansAll;
  if (!selection.by_name && !selects_all)
    return usage("resource(s) were provided, but no name was specified");
  const bool is_namespaced = std::ranges::any_of(
      selection.kinds, [](Kind kind) { return volumes::names_of(kind).namespaced; });
  if (selection.by_name && arguments.all_namespaces && is_namespaced)
    return usage("a resource cannot be retrieved by name across all namespaces");
  return {};
}

// A kind's objects as they are listed: by namespace and name, Events by their time.
Outcome<Group> list(store::Store& store, Kind kind, const Selection& selection,
                    store::Version& version) {
  auto listing = store.list(kind);
  if (!listing) return tl::unexpected(failure_of(listing.error()));
  // Of several listings the oldest version misses nothing.
  version = version == 0 ? listing->version : std::min(version, listing->version);
  Group group{kind, std::move(listing->objects)};
  std::erase_if(group.objects, [&](const Object& object) { return !selection.matches(object); });
  if (kind == Kind::Event) {
    std::ranges::stable_sort(group.objects, {},
                             [](const Object& event) { return last_seen(event.document); });
  }
  return group;
}

}  // namespace

Outcome<Selection> parse_selection(const ResourceArguments& arguments, KindAlone kind_alone) {
  Selection selection;
  auto labels = Selector::parse(arguments.selector);
  if (!labels) return tl::unexpected(labels.error());
  auto fields = FieldSelector::parse(arguments.field_selector);
  if (!fields) return tl::unexpected(fields.error());
  selection.labels = std::move(*labels);
  selection.fields = std::move(*fields);
  const std::string name_space = arguments.name_space_or_default();
  if (!arguments.all_namespaces) selection.name_space = name_space;

  const auto& words = arguments.words;
  if (!arguments.files.empty()) {
    if (!words.empty()) {
      return usage(
          "when paths, URLs, or stdin is provided as input, you may not specify resource "
          "arguments as well");
    }
    if (const auto added = add_files(arguments, selection); !added)
      return tl::unexpected(added.error());
    return selection;
  }
  if (words.empty()) {
    return usage(
        "You must provide one or more resources by argument or filename.\n"
        "Example resource specifications include:\n"
        "   '-f rsrc.yaml'\n"
        "   '--filename=rsrc.json'\n"
        "   '<resource> <name>'\n"
        "   '<resource>'\n"
        "where a resource is one of pv, pvc, sc, pod, event and attachment");
  }
  const bool has_slashes = std::ranges::any_of(
      words, [](const std::string& word) { return word.find('/') != std::string::npos; });
  const auto added = has_slashes ? add_slashed(words, name_space, selection)
                                 : add_named(words, name_space, selection);
  if (!added) return tl::unexpected(added.error());
  if (const auto allowed = check_company(arguments, selection, has_slashes, kind_alone); !allowed)
    return tl::unexpected(allowed.error());
  for (Kind kind : selection.kinds) {
    if (const auto checked = selection.fields.check(kind); !checked)
      return tl::unexpected(checked.error());
  }
  return selection;
}

bool Selection::matches(const Object& object) const {
  if (by_name) return std::ranges::find(keys, object.key()) != keys.end();
  const bool is_namespaced = volumes::names_of(object.kind).namespaced;
  return std::ranges::find(kinds, object.kind) != kinds.end() &&
         (!is_namespaced || !name_space || object.name_space() == *name_space) &&
         labels.matches(object) && fields.matches(object);
}

Outcome<Found> find(store::Store& store, const Selection& selection) {
  Found found;
  if (!selection.by_name) {
    for (Kind kind : selection.kinds) {
      auto group = list(store, kind, selection, found.version);
      if (!group) return tl::unexpected(group.error());
      found.groups.push_back(std::move(*group));
    }
    return found;
  }
  // The version first: what changes while the names are looked up comes with the watch.
  const auto newest = store.newest();
  if (!newest) return tl::unexpected(failure_of(newest.error()));
  found.version = *newest;
  for (const ObjectKey& key : selection.keys) {
    auto object = store.get(key);
    if (object) {
      if (found.groups.empty() || found.groups.back().kind != key.kind)
        found.groups.push_back({key.kind, {}});
      found.groups.back().objects.push_back(std::move(*object));
    } else if (object.error().code == ENOENT) {
      found.missing.push_back(key);
    } else {
      return tl::unexpected(failure_of(object.error()));
    }
  }
  return found;
}

bool Found::is_empty() const {
  return std::ranges::all_of(groups, [](const Group& group) { return group.objects.empty(); });
}

std::vector<Object> Found::objects() const {
  std::vector<Object> all;
  for (const Group& group : groups)
    all.insert(all.end(), group.objects.begin(), group.objects.end());
  return all;
}

std::string not_found_text(const ObjectKey& key) {
  const auto& names = volumes::names_of(key.kind);
  return "Error from server (NotFound): " + names.qualified(names.plural) + " \"" + key.name +
         "\" not found";
}

std::string nothing_found_text(const Selection& selection) {
  const bool are_namespaced = std::ranges::all_of(
      selection.kinds, [](Kind kind) { return volumes::names_of(kind).namespaced; });
  return are_namespaced && selection.name_space
             ? "No resources found in " + *selection.name_space + " namespace."
             : "No resources found";
}

std::string qualified_name(const ObjectKey& key) {
  const auto& names = volumes::names_of(key.kind);
  return names.qualified(names.singular) + "/" + key.name;
}

std::string plural_name(const ObjectKey& key) {
  return std::string(volumes::names_of(key.kind).plural) + "/" + key.name;
}

}  // namespace claimfs::cli
