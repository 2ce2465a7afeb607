#include <iostream>

#include "cli/deed_printer.h"
#include "cli/failures.h"
#include "cli/key_changes.h"
#include "cli/selection.h"
#include "cli/verbs.h"

namespace claimfs::cli {
namespace {

using volumes::Object;

// One object. The patch is made of what the object is now, so it says again what was asked when
// somebody else was faster.
Outcome<void> change_keys(Context& context, const KeyChanges& changes, const Object& object,
                          const LabelArguments& arguments, DeedPrinter& printer) {
  if (arguments.map == KeyMap::Labels && !arguments.dry_run) {
    for (const std::string& key : changes.missing(object))
      std::cout << "label \"" << key << "\" not found.\n";
  }
  if (!arguments.overwrite) {
    if (const auto allowed = changes.check_overwrites(object); !allowed) return allowed;
  }
  volumes::Json patch = changes.patch(object);
  const std::string deed = changes.deed(object, arguments.overwrite);
  if (arguments.dry_run) {
    Object after = object;
    after.document.merge_patch(patch);
    return printer.print(after, deed + " (dry run)");
  }
  if (!arguments.resource_version.empty())
    patch["metadata"]["resourceVersion"] = arguments.resource_version;
  if (patch.empty()) return printer.print(object, deed);
  const auto patched = context.api->patch(object.key(), patch);
  if (!patched) return tl::unexpected(failure_of(patched.error()));
  return printer.print(patched->object, deed);
}

}  // namespace

Outcome<ExitStatus> label(Context& context, const LabelArguments& given) {
  LabelArguments arguments = given;
  const auto changes = KeyChanges::take(arguments.resources.words, arguments.map,
                                        !arguments.resources.files.empty());
  if (!changes) return tl::unexpected(changes.error());
  const auto selection = parse_selection(arguments.resources, KindAlone::IsError);
  if (!selection) return tl::unexpected(selection.error());
  auto printer = DeedPrinter::of(arguments.output);
  if (!printer) return tl::unexpected(printer.error());
  const auto found = find(*context.store, *selection);
  if (!found) return tl::unexpected(found.error());
  if (!arguments.resource_version.empty() && !selection->is_single()) {
    return fail(ExitStatus::Usage,
                "error: --resource-version may only be used with a single resource");
  }
  Failures failures;
  for (const Object& object : found->objects()) {
    if (const auto done = change_keys(context, *changes, object, arguments, *printer); !done)
      failures.add(done.error());
  }
  for (const auto& key : found->missing) failures.add({ExitStatus::Failed, not_found_text(key)});
  return failures.say();
}

}  // namespace claimfs::cli
