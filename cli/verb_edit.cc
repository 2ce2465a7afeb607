#include <iostream>

#include "cli/edit_session.h"
#include "cli/selection.h"
#include "cli/verbs.h"

namespace claimfs::cli {

Outcome<ExitStatus> edit(Context& context, const EditArguments& arguments) {
  const auto selection = parse_selection(arguments.resources, KindAlone::MeansAll);
  if (!selection) return tl::unexpected(selection.error());
  const auto found = find(*context.store, *selection);
  if (!found) return tl::unexpected(found.error());
  for (const auto& key : found->missing) std::cerr << not_found_text(key) << "\n";
  if (!found->missing.empty()) return ExitStatus::Failed;
  if (found->is_empty()) return fail(ExitStatus::Failed, "error: edit cancelled, no objects found");
  auto session = EditSession::begin(context, found->objects(), arguments.output);
  if (!session) return tl::unexpected(session.error());
  return session->run();
}

}  // namespace claimfs::cli
