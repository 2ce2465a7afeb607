#include <algorithm>
#include <cstdio>
#include <iostream>
#include <set>

#include "cli/columns.h"
#include "cli/describe.h"
#include "cli/names_on_command_line.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "control/clock.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;

struct Found {
  Kind kind;
  std::vector<Object> objects;
};

// What a selection names, kind by kind, and the names that are not there.
struct Collected {
  std::vector<Found> found;
  std::vector<std::string> missing;
};

Outcome<std::vector<Object>> all_of(Context& context, Kind kind, const GetArguments& arguments) {
  auto listing = context.store->list(kind);
  if (!listing) return tl::unexpected(failure_of(listing.error()));
  std::vector<Object> objects = std::move(listing->objects);
  if (volumes::names_of(kind).namespaced && !arguments.all_namespaces) {
    std::erase_if(
        objects, [&](const Object& object) { return object.name_space() != arguments.name_space; });
  }
  return objects;
}

Outcome<Collected> collect(Context& context, const Selection& selection,
                           const GetArguments& arguments) {
  Collected collected;
  const auto selector = Selector::parse(arguments.selector);
  if (!selector) return tl::unexpected(selector.error());
  for (Kind kind : selection.kinds) {
    Found found{kind, {}};
    if (selection.keys.empty()) {
      auto objects = all_of(context, kind, arguments);
      if (!objects) return tl::unexpected(objects.error());
      found.objects = std::move(*objects);
      std::erase_if(found.objects,
                    [&](const Object& object) { return !selector->matches(object); });
    }
    for (const auto& key : selection.keys) {
      if (key.kind != kind) continue;
      auto object = context.store->get(key);
      if (object) {
        found.objects.push_back(std::move(*object));
      } else if (object.error().code == ENOENT) {
        const auto& names = volumes::names_of(kind);
        collected.missing.push_back(
            "Error from server (NotFound): " + names.qualified(names.plural) + " \"" + key.name +
            "\" not found");
      } else {
        return tl::unexpected(failure_of(object.error()));
      }
    }
    if (kind == Kind::Event && arguments.sort_by.empty()) {
      std::ranges::stable_sort(found.objects, {},
                               [](const Object& event) { return last_seen(event.document); });
    }
    if (!arguments.sort_by.empty()) {
      if (const auto sorted = sort_by(found.objects, arguments.sort_by); !sorted)
        return tl::unexpected(sorted.error());
    }
    collected.found.push_back(std::move(found));
  }
  return collected;
}

void print_tables(const std::vector<Found>& found, const GetArguments& arguments, bool is_wide) {
  bool is_first = true;
  for (const Found& each : found) {
    if (each.objects.empty()) continue;
    if (!is_first) std::printf("\n");
    is_first = false;
    const TableOptions options{.wide = is_wide,
                               .with_namespace = arguments.all_namespaces,
                               .with_kind_in_name = found.size() > 1,
                               .with_titles = !arguments.no_headers};
    std::cout << table_text(table_of(each.kind, each.objects, options, control::system_clock()()));
  }
}

void say_nothing_found(const Selection& selection, const GetArguments& arguments) {
  const bool is_namespaced = std::ranges::any_of(
      selection.kinds, [](Kind kind) { return volumes::names_of(kind).namespaced; });
  std::cerr << "No resources found"
            << (is_namespaced && !arguments.all_namespaces
                    ? " in " + arguments.name_space + " namespace."
                    : "")
            << "\n";
}

Outcome<void> print(const Collected& collected, const Selection& selection,
                    const GetArguments& arguments, const OutputFormat& format) {
  if (format.is_table()) {
    print_tables(collected.found, arguments, format.is_wide());
    return {};
  }
  std::vector<Object> objects;
  for (const Found& each : collected.found)
    objects.insert(objects.end(), each.objects.begin(), each.objects.end());
  // Nothing at all is printed when no name that was asked for is there.
  if (objects.empty() && !selection.keys.empty()) return {};
  const auto text = format.text(objects, selection.keys.size() != 1);
  if (!text) return tl::unexpected(text.error());
  std::cout << *text;
  return {};
}

// Prints what changes from now on, a line an object, until the reader goes away or interrupts.
Outcome<ExitStatus> follow(Context& context, const Selection& selection, GetArguments arguments,
                           const OutputFormat& format, store::Version from) {
  auto watch = context.store->watch(from);
  if (!watch) return tl::unexpected(failure_of(watch.error()));
  arguments.no_headers = true;
  const auto selector = Selector::parse(arguments.selector);
  while (std::cout.flush()) {
    const auto changes = (*watch)->next(std::chrono::seconds(3600));
    if (!changes) return tl::unexpected(failure_of(changes.error()));
    for (const store::Change& change : *changes) {
      const auto& object = change.object;
      if (change.type == store::Change::Type::Relist)
        return fail(ExitStatus::Failed, "too much changed at once: start again");
      const bool is_wanted =
          std::ranges::find(selection.kinds, object.kind) != selection.kinds.end() &&
          (selection.keys.empty()
               ? (arguments.all_namespaces || object.name_space().empty() ||
                  object.name_space() == arguments.name_space) &&
                     selector->matches(object)
               : std::ranges::find(selection.keys, object.key()) != selection.keys.end());
      if (!is_wanted) continue;
      const Collected one{{{object.kind, {object}}}, {}};
      Selection single{{object.kind}, {object.key()}};
      if (const auto printed = print(one, single, arguments, format); !printed)
        return tl::unexpected(printed.error());
    }
  }
  return ExitStatus::Done;
}

}  // namespace

Outcome<ExitStatus> get(Context& context, const GetArguments& arguments) {
  const auto selection = parse_selection(arguments.words, arguments.name_space);
  if (!selection) return tl::unexpected(selection.error());
  const auto format = OutputFormat::parse(arguments.output);
  if (!format) return tl::unexpected(format.error());
  store::Version from = 0;
  if (arguments.watch) {
    const auto listing = context.store->list(selection->kinds.front());
    if (!listing) return tl::unexpected(failure_of(listing.error()));
    from = listing->version;
  }
  const auto collected = collect(context, *selection, arguments);
  if (!collected) return tl::unexpected(collected.error());
  if (const auto printed = print(*collected, *selection, arguments, *format); !printed)
    return tl::unexpected(printed.error());

  const bool nothing =
      std::ranges::all_of(collected->found, [](const Found& each) { return each.objects.empty(); });
  if (nothing && collected->missing.empty() && format->is_table())
    say_nothing_found(*selection, arguments);
  for (const std::string& missing : collected->missing) std::cerr << missing << "\n";
  if (!collected->missing.empty()) return ExitStatus::Failed;
  return arguments.watch ? follow(context, *selection, arguments, *format, from) : ExitStatus::Done;
}

Outcome<ExitStatus> describe(Context& context, const GetArguments& arguments) {
  const auto selection = parse_selection(arguments.words, arguments.name_space);
  if (!selection) return tl::unexpected(selection.error());
  const auto collected = collect(context, *selection, arguments);
  if (!collected) return tl::unexpected(collected.error());
  const auto surroundings = surroundings_of(*context.store, control::system_clock()());
  if (!surroundings) return tl::unexpected(failure_of(surroundings.error()));
  bool is_first = true;
  for (const Found& each : collected->found) {
    for (const Object& object : each.objects) {
      std::cout << (is_first ? "" : "\n\n") << describe(object, *surroundings);
      is_first = false;
    }
  }
  if (is_first && collected->missing.empty()) say_nothing_found(*selection, arguments);
  for (const std::string& missing : collected->missing) std::cerr << missing << "\n";
  return collected->missing.empty() ? ExitStatus::Done : ExitStatus::Failed;
}

}  // namespace claimfs::cli
