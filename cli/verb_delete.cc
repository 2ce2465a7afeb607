#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include "cli/failures.h"
#include "cli/selection.h"
#include "cli/until_true.h"
#include "cli/verbs.h"
#include "volumes/reclaim.h"

namespace claimfs::cli {
namespace {

using volumes::ObjectKey;

struct Going {
  ObjectKey key;
  std::string uid;
};

std::string line_of(const ObjectKey& key, const DeleteArguments& arguments) {
  const auto& names = volumes::names_of(key.kind);
  if (arguments.output == "name") return qualified_name(key);
  return names.qualified(names.singular) + " \"" + key.name + "\" deleted" +
         (arguments.dry_run ? " (dry run)" : "") +
         (key.name_space.empty() ? "" : " from " + key.name_space + " namespace");
}

// Gone, or another object under the name.
// On a terminal, how far a long removal is, in a line that is written over and over.
void show_progress(const volumes::Object& object) {
  const std::string progress =
      volumes::text_at(object.document, {"metadata", "annotations", volumes::kReclaimProgress});
  if (progress.empty() || ::isatty(STDERR_FILENO) == 0) return;
  std::cerr << "\r" << object.name() << ": " << progress << "\033[K";
}

Outcome<bool> is_gone(Context& context, const Going& going) {
  const auto now = context.store->get(going.key);
  if (now && now->uid() == going.uid) {
    show_progress(*now);
    return false;
  }
  if (now) return true;
  if (now.error().code == ENOENT) return true;
  return tl::unexpected(failure_of(now.error()));
}

Outcome<std::vector<ObjectKey>> keys_of(Context& context, const Selection& selection) {
  if (selection.by_name) return selection.keys;
  const auto found = find(*context.store, selection);
  if (!found) return tl::unexpected(found.error());
  std::vector<ObjectKey> keys;
  for (const volumes::Object& object : found->objects()) keys.push_back(object.key());
  return keys;
}

// A namespace that is said and has nothing to say, told once.
void warn_of_cluster_scope(const DeleteArguments& arguments, const std::vector<ObjectKey>& keys) {
  if (!arguments.resources.name_space || arguments.resources.all_namespaces) return;
  if (std::ranges::none_of(keys, [](const ObjectKey& key) { return key.name_space.empty(); }))
    return;
  std::cerr << "Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n";
}

// What has been asked to go, and is not gone yet.
std::vector<Going> ask_to_go(Context& context, const std::vector<ObjectKey>& keys,
                             const DeleteArguments& arguments, bool may_be_missing,
                             Failures& failures) {
  std::vector<Going> going;
  for (const ObjectKey& key : keys) {
    if (arguments.dry_run) {
      const auto object = context.store->get(key);
      if (object) {
        std::cout << line_of(key, arguments) << "\n";
      } else if (object.error().code != ENOENT) {
        failures.add(failure_of(object.error()));
      } else if (!may_be_missing) {
        failures.add({ExitStatus::Failed, not_found_text(key)});
      }
      continue;
    }
    const auto deleted = context.api->remove(key);
    if (deleted) {
      std::cout << line_of(key, arguments) << "\n";
      if (!deleted->is_gone) going.push_back({key, deleted->object.uid()});
    } else if (deleted.error().reason != control::Refusal::Reason::NotFound || !may_be_missing) {
      failures.add(failure_of(deleted.error()));
    }
  }
  return going;
}

}  // namespace

Outcome<ExitStatus> remove(Context& context, const DeleteArguments& arguments) {
  if (!arguments.output.empty() && arguments.output != "name") {
    return fail(ExitStatus::Usage, "error: unexpected -o output mode: " + arguments.output +
                                       ". We only support '-o name'");
  }
  const auto selection = parse_selection(arguments.resources, KindAlone::IsError);
  if (!selection) return tl::unexpected(selection.error());
  const auto keys = keys_of(context, *selection);
  if (!keys) return tl::unexpected(keys.error());
  if (keys->empty()) {
    std::cout << "No resources found\n";
    return ExitStatus::Done;
  }
  warn_of_cluster_scope(arguments, *keys);
  // What a list found may have gone since: nobody asked for it by its name.
  const bool may_be_missing = arguments.ignore_not_found || !selection->by_name;
  Failures failures;
  auto going = ask_to_go(context, *keys, arguments, may_be_missing, failures);
  std::cout.flush();
  const ExitStatus status = failures.say();
  if (!arguments.wait) return status;
  const auto all_gone = until_true(*context.store, arguments.timeout, [&]() -> Outcome<bool> {
    while (!going.empty()) {
      const auto gone = is_gone(context, going.back());
      if (!gone || !*gone) return gone;
      going.pop_back();
    }
    return true;
  });
  if (::isatty(STDERR_FILENO) != 0) std::cerr << "\r\033[K";
  if (!all_gone) return tl::unexpected(all_gone.error());
  if (*all_gone) return status;
  Failures late;
  for (const Going& each : going) {
    late.add({ExitStatus::InUse,
              "error: timed out waiting for the condition on " + plural_name(each.key)});
  }
  const ExitStatus late_status = late.say();
  std::cerr << "It is in use or has finalizers: see claimfs describe.\n";
  return late_status;
}

}  // namespace claimfs::cli
