#include <fstream>
#include <iostream>
#include <iterator>

#include "cli/deed_printer.h"
#include "cli/failures.h"
#include "cli/merge_patch.h"
#include "cli/selection.h"
#include "cli/verbs.h"
#include "config/manifests.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

Outcome<Json> read_patch(const PatchArguments& arguments) {
  if (arguments.patch.empty() == arguments.patch_file.empty())
    return fail(ExitStatus::Usage, "error: must specify one of --patch or --patch-file");
  std::string text = arguments.patch;
  if (text.empty()) {
    std::ifstream stream(arguments.patch_file, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(stream), {});
    if (!stream)
      return fail(ExitStatus::Failed, "error: unable to read patch file: " + arguments.patch_file);
  }
  const bool is_list = arguments.type == "json";
  Json patch = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (patch.is_discarded() && !is_list) {
    // As with kubectl it may be YAML.
    config::Manifests read = config::read_manifests(text, "patch");
    if (read.complaints.empty() && read.manifests.size() == 1)
      patch = std::move(read.manifests.front().document);
  }
  if (is_list ? !patch.is_array() : !patch.is_object()) {
    return fail(ExitStatus::Usage, is_list
                                       ? "error: the patch (-p) must be a JSON list of operations"
                                       : "error: the patch (-p) must be a JSON object");
  }
  return patch;
}

// RFC 6902 comes to the store as the merge patch that does the same to the object as it is now.
control::Answered<Json> merge_patch_of(const Json& operations, const Object& object) {
  try {
    Json patch = merge_patch_between(object.document, object.document.patch(operations));
    // What was not looked at must not be overwritten.
    if (!patch.empty()) patch["metadata"]["resourceVersion"] = object.resource_version();
    return patch;
  } catch (const Json::exception& error) {
    return tl::unexpected(control::Refusal{
        .message = "The request is invalid: the server rejected our request due to an error in our "
                   "request: " +
                   std::string(error.what()),
        .causes = {}});
  }
}

// Lost races are run again, on what the winner left.
constexpr int kAttempts = 20;

control::Answered<control::Api::Applied> apply_operations(Context& context, const Object& object,
                                                          const Json& operations) {
  for (int attempt = 1;; ++attempt) {
    const auto now = context.store->get(object.key());
    const auto patch = merge_patch_of(operations, now ? *now : object);
    if (!patch) return tl::unexpected(patch.error());
    auto patched = context.api->patch(object.key(), *patch);
    if (patched || patched.error().reason != control::Refusal::Reason::Conflict ||
        attempt == kAttempts)
      return patched;
  }
}

}  // namespace

Outcome<ExitStatus> patch(Context& context, const PatchArguments& arguments) {
  const auto asked = read_patch(arguments);
  if (!asked) return tl::unexpected(asked.error());
  const auto selection = parse_selection(arguments.resources, KindAlone::IsError);
  if (!selection) return tl::unexpected(selection.error());
  auto printer = DeedPrinter::of(arguments.output);
  if (!printer) return tl::unexpected(printer.error());
  const auto found = find(*context.store, *selection);
  if (!found) return tl::unexpected(found.error());
  Failures failures;
  for (const Object& object : found->objects()) {
    const auto patched = arguments.type == "json" ? apply_operations(context, object, *asked)
                                                  : context.api->patch(object.key(), *asked);
    if (!patched) {
      failures.add(failure_of(patched.error()));
      continue;
    }
    const bool is_changed = patched->outcome != control::Api::Outcome::Unchanged;
    const auto printed =
        printer->print(patched->object, is_changed ? "patched" : "patched (no change)");
    if (!printed) return tl::unexpected(printed.error());
  }
  for (const auto& key : found->missing) failures.add({ExitStatus::Failed, not_found_text(key)});
  return failures.say();
}

}  // namespace claimfs::cli
