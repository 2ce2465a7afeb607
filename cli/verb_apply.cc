#include <cstdio>

#include "cli/columns.h"
#include "cli/manifest_files.h"
#include "cli/verbs.h"

namespace claimfs::cli {
namespace {

using control::Api;

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

// The worse of two: a manifest that has to be corrected says more than an object that is there
// already.
ExitStatus worse(ExitStatus left, ExitStatus right) {
  if (left == ExitStatus::Done || left == ExitStatus::Failed)
    return right == ExitStatus::Done ? left : right;
  return left;
}

// Everything that can be done is done, and every error told, as kubectl does.
template <class Act>
Outcome<ExitStatus> for_each_written(const ApplyArguments& arguments, Act act) {
  auto written = read_files(arguments.files, arguments.name_space.value_or("default"));
  if (!written) return tl::unexpected(written.error());
  for (const std::string& complaint : written->complaints)
    std::fprintf(stderr, "%s\n", complaint.c_str());
  // A file that cannot be read completely could say anything: nothing is done.
  if (!written->complaints.empty()) return ExitStatus::InvalidManifest;
  if (written->objects.empty())
    return fail(ExitStatus::Failed, "error: no objects passed to apply");

  ExitStatus status = ExitStatus::Done;
  for (const WrittenObject& each : written->objects) {
    const std::string name_space = each.object.name_space();
    if (arguments.name_space && !name_space.empty() && name_space != *arguments.name_space) {
      std::fprintf(stderr,
                   "error: the namespace from the provided object \"%s\" does not match the "
                   "namespace \"%s\". You must pass "
                   "'--namespace=%s' to perform this operation.\n",
                   name_space.c_str(), arguments.name_space->c_str(), name_space.c_str());
      status = worse(status, ExitStatus::Failed);
      continue;
    }
    const auto done = act(each.object);
    if (!done) {
      std::fprintf(stderr, "%s\n", refusal_text(done.error(), each.manifest).c_str());
      status = worse(status, failure_of(done.error()).status);
      continue;
    }
    for (const std::string& warning : done->warnings)
      std::fprintf(stderr, "Warning: %s\n", warning.c_str());
    std::printf("%s %s%s\n", qualified_name(done->object).c_str(), word_of(done->outcome),
                arguments.dry_run ? " (dry run)" : "");
  }
  return status;
}

}  // namespace

Outcome<ExitStatus> apply(Context& context, const ApplyArguments& arguments) {
  return for_each_written(
      arguments, [&](const auto& object) { return context.api->apply(object, arguments.dry_run); });
}

Outcome<ExitStatus> create(Context& context, const ApplyArguments& arguments) {
  return for_each_written(arguments, [&](const auto& object) {
    return context.api->create(object, arguments.dry_run);
  });
}

}  // namespace claimfs::cli
