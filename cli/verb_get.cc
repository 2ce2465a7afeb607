#include <algorithm>
#include <iostream>
#include <map>

#include "cli/describe.h"
#include "cli/listing.h"
#include "cli/selection.h"
#include "cli/verbs.h"
#include "control/clock.h"

namespace claimfs::cli {
namespace {

using volumes::Object;
using volumes::ObjectKey;

// What a watch has shown, and so what the next change is to its reader.
class Watched {
 public:
  Watched(Listing& listing, const Selection& selection)
      : listing_(listing), selection_(selection) {}

  // Objects that are there at the beginning, or after a gap in the watch.
  Outcome<void> meet_all(const Found& found, bool quietly) {
    std::map<ObjectKey, Object> vanished;
    std::swap(vanished, shown_);
    for (const Object& object : found.objects()) {
      const auto before = vanished.find(object.key());
      const bool is_new = before == vanished.end();
      const bool is_same =
          !is_new && before->second.resource_version() == object.resource_version();
      if (!is_new) vanished.erase(before);
      shown_.insert_or_assign(object.key(), object);
      if (quietly || is_same) continue;
      if (const auto printed = listing_.print_change(is_new ? "ADDED" : "MODIFIED", object);
          !printed)
        return printed;
    }
    for (const auto& [key, object] : vanished) {
      if (const auto printed = listing_.print_change("DELETED", object); !printed) return printed;
    }
    return {};
  }

  Outcome<void> meet(const store::Change& change) {
    const Object& object = change.object;
    const auto shown = shown_.find(object.key());
    const bool was_shown = shown != shown_.end();
    const bool is_gone = change.type == store::Change::Type::Removed || !selection_.matches(object);
    // An object that no longer matches is gone, to a watch of what matches.
    if (is_gone && !was_shown) return {};
    // It may have been looked up after the version that the watch began at.
    if (!is_gone && was_shown && shown->second.resource_version() == object.resource_version())
      return {};
    if (is_gone) {
      shown_.erase(shown);
    } else {
      shown_.insert_or_assign(object.key(), object);
    }
    return listing_.print_change(is_gone ? "DELETED" : was_shown ? "MODIFIED" : "ADDED", object);
  }

 private:
  Listing& listing_;
  const Selection& selection_;
  std::map<ObjectKey, Object> shown_;
};

// Prints what there is and then what changes, until the reader goes away or interrupts.
Outcome<ExitStatus> follow(Context& context, const Selection& selection, const Found& found,
                           const GetArguments& arguments, Listing& listing) {
  Watched watched(listing, selection);
  if (const auto met = watched.meet_all(found, /*quietly=*/arguments.watch_only); !met)
    return tl::unexpected(met.error());
  auto watch = context.store->watch(found.version);
  if (!watch) return tl::unexpected(failure_of(watch.error()));
  while (std::cout.flush()) {
    const auto changes = (*watch)->next(std::chrono::hours(1));
    if (!changes) return tl::unexpected(failure_of(changes.error()));
    for (const store::Change& change : *changes) {
      Outcome<void> met;
      if (change.type == store::Change::Type::Relist) {
        const auto now = find(*context.store, selection);
        if (!now) return tl::unexpected(now.error());
        met = watched.meet_all(*now, /*quietly=*/false);
      } else {
        met = watched.meet(change);
      }
      if (!met) return tl::unexpected(met.error());
    }
  }
  return ExitStatus::Done;
}

Outcome<void> check_watch(const Selection& selection) {
  if (selection.kinds.size() > 1)
    return fail(ExitStatus::Usage, "error: you may only specify a single resource type");
  if (selection.keys.size() > 1) {
    return fail(ExitStatus::Usage,
                "error: watch is only supported on individual resources and resource collections "
                "- more than 1 resource was found");
  }
  return {};
}

ExitStatus say_missing(const Found& found) {
  for (const ObjectKey& key : found.missing) std::cerr << not_found_text(key) << "\n";
  return found.missing.empty() ? ExitStatus::Done : ExitStatus::Failed;
}

// As kubectl does with a name that is not there: it may be the beginning of some.
Outcome<void> find_by_prefix(Context& context, Found& found) {
  const ObjectKey prefix = found.missing.front();
  auto listing = context.store->list(prefix.kind);
  if (!listing) return tl::unexpected(failure_of(listing.error()));
  Group group{prefix.kind, {}};
  for (Object& object : listing->objects) {
    if (object.name_space() == prefix.name_space && object.name().starts_with(prefix.name))
      group.objects.push_back(std::move(object));
  }
  if (group.objects.empty()) return {};
  found.missing.clear();
  found.groups.push_back(std::move(group));
  return {};
}

}  // namespace

Outcome<ExitStatus> get(Context& context, const GetArguments& arguments) {
  const bool watches = arguments.watch || arguments.watch_only;
  const auto selection = parse_selection(arguments.resources, KindAlone::MeansAll);
  if (!selection) return tl::unexpected(selection.error());
  auto listing = Listing::of(arguments);
  if (!listing) return tl::unexpected(listing.error());
  if (arguments.output_watch_events && !watches) {
    return fail(ExitStatus::Usage,
                "error: --output-watch-events option can only be used with --watch or "
                "--watch-only");
  }
  if (watches) {
    if (const auto allowed = check_watch(*selection); !allowed)
      return tl::unexpected(allowed.error());
    if (!arguments.sort_by.empty())
      std::cerr << "warning: --watch or --watch-only requested, --sort-by will be ignored\n";
  }
  auto found = find(*context.store, *selection);
  if (!found) return tl::unexpected(found.error());
  if (arguments.ignore_not_found) found->missing.clear();
  if (watches && found->missing.empty())
    return follow(context, *selection, *found, arguments, *listing);

  if (const auto printed = listing->print(*found, *selection); !printed)
    return tl::unexpected(printed.error());
  const bool says_nothing = found->is_empty() && found->missing.empty() && listing->is_table();
  if (says_nothing && !arguments.ignore_not_found)
    std::cerr << nothing_found_text(*selection) << "\n";
  return say_missing(*found);
}

Outcome<ExitStatus> describe(Context& context, const GetArguments& arguments) {
  const auto selection = parse_selection(arguments.resources, KindAlone::MeansAll);
  if (!selection) return tl::unexpected(selection.error());
  auto found = find(*context.store, *selection);
  if (!found) return tl::unexpected(found.error());
  if (selection->is_single() && !found->missing.empty()) {
    if (const auto looked = find_by_prefix(context, *found); !looked)
      return tl::unexpected(looked.error());
  }
  const auto surroundings = surroundings_of(*context.store, control::system_clock()());
  if (!surroundings) return tl::unexpected(failure_of(surroundings.error()));
  bool is_first = true;
  for (const Object& object : found->objects()) {
    std::cout << (is_first ? "" : "\n\n") << describe(object, *surroundings);
    is_first = false;
  }
  if (is_first && found->missing.empty()) std::cerr << nothing_found_text(*selection) << "\n";
  return say_missing(*found);
}

}  // namespace claimfs::cli
