#include <cstdio>
#include <iostream>

#include "cli/columns.h"
#include "cli/deed_printer.h"
#include "cli/failures.h"
#include "cli/manifest_files.h"
#include "cli/merge_patch.h"
#include "cli/verbs.h"
#include "control/merge.h"

namespace claimfs::cli {
namespace {

using control::Api;
using volumes::Json;
using volumes::Object;

const char* word_of(Api::Outcome outcome) {
  switch (outcome) {
    case Api::Outcome::Created:
      return "created";
    case Api::Outcome::Configured:
      return "configured";
    case Api::Outcome::Unchanged:
      return "unchanged";
  }
  return "";
}

// What kubectl says of a conflict: the patch that could not be applied, to what, and from where.
std::string conflict_text(Context& context, const WrittenObject& written,
                          const control::Refusal& refusal) {
  const Object& desired = written.object;
  const auto current = context.store->get(desired.key());
  const Json patch =
      current ? merge_patch_between(
                    current->document,
                    control::three_way_merge(Json(), control::with_last_applied(desired).document,
                                             current->document))
              : desired.document;
  const auto& names = volumes::names_of(desired.kind);
  const std::string group_version =
      (names.group.empty() ? "/" : "") + std::string(names.api_version);
  return "Error from server (Conflict): error when applying patch:\n" + patch.dump() +
         "\nto:\nResource: \"" + group_version + ", Resource=" + std::string(names.plural) +
         "\", GroupVersionKind: \"" + group_version + ", Kind=" + std::string(names.kind_name) +
         "\"\nName: \"" + desired.name() + "\", Namespace: \"" + desired.name_space() +
         "\"\nfor: \"" + written.manifest.file + "\": " + refusal.message;
}

std::string text_of(Context& context, const WrittenObject& written,
                    const control::Refusal& refusal) {
  if (refusal.message.starts_with("error: ")) return refusal.message;
  return refusal.reason == control::Refusal::Reason::Conflict
             ? conflict_text(context, written, refusal)
             : refusal_text(refusal, written.manifest);
}

// Everything that can be done is done, and every error told, as kubectl does.
template <class Act>
Outcome<ExitStatus> for_each_written(Context& context, const ApplyArguments& arguments,
                                     const char* verb, Act act) {
  auto printer = DeedPrinter::of(arguments.output);
  if (!printer) return tl::unexpected(printer.error());
  auto written = read_files(arguments.files, arguments.name_space.value_or("default"));
  if (!written) return tl::unexpected(written.error());
  for (const std::string& complaint : written->complaints) std::cerr << complaint << "\n";
  // A file that cannot be read completely could say anything: nothing is done.
  if (!written->complaints.empty()) return ExitStatus::InvalidManifest;
  if (written->objects.empty())
    return fail(ExitStatus::Failed, std::string("error: no objects passed to ") + verb);

  ExitStatus status = ExitStatus::Done;
  std::vector<Object> done_objects;
  for (const WrittenObject& each : written->objects) {
    const std::string name_space = each.object.name_space();
    if (arguments.name_space && !name_space.empty() && name_space != *arguments.name_space) {
      std::cerr << "error: the namespace from the provided object \"" << name_space
                << "\" does not match the namespace \"" << *arguments.name_space
                << "\". You must pass '--namespace=" << name_space
                << "' to perform this operation.\n";
      status = worse(status, ExitStatus::Failed);
      continue;
    }
    const auto done = act(each.object);
    if (!done) {
      std::cerr << text_of(context, each, done.error()) << "\n";
      status = worse(status, failure_of(done.error()).status);
      continue;
    }
    for (const std::string& warning : done->warnings) std::cerr << "Warning: " << warning << "\n";
    done_objects.push_back(done->object);
    if (printer->shows_objects()) continue;
    const auto printed = printer->print(
        done->object, word_of(done->outcome) + std::string(arguments.dry_run ? " (dry run)" : ""));
    if (!printed) return tl::unexpected(printed.error());
  }
  if (printer->shows_objects() && !done_objects.empty()) {
    if (const auto printed = printer->print_list(done_objects); !printed)
      return tl::unexpected(printed.error());
  }
  return status;
}

}  // namespace

Outcome<ExitStatus> apply(Context& context, const ApplyArguments& arguments) {
  return for_each_written(
      context, arguments, "apply", [&](const Object& object) -> control::Answered<Api::Applied> {
        const std::string prefix = volumes::text_at(object.document, {"metadata", "generateName"});
        if (object.name().empty() && !prefix.empty()) {
          return tl::unexpected(control::Refusal{
              .message = "error: from " + prefix + ": cannot use generate name with apply",
              .causes = {}});
        }
        return context.api->apply(object, arguments.dry_run);
      });
}

Outcome<ExitStatus> create(Context& context, const ApplyArguments& arguments) {
  return for_each_written(context, arguments, "create", [&](const auto& object) {
    return context.api->create(arguments.save_config ? control::with_last_applied(object) : object,
                               arguments.dry_run);
  });
}

}  // namespace claimfs::cli
