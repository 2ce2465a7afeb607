#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "cli/manifest_files.h"
#include "cli/names_on_command_line.h"
#include "cli/until_true.h"
#include "cli/verbs.h"

namespace claimfs::cli {
namespace {

using volumes::ObjectKey;

struct Going {
  ObjectKey key;
  std::string uid;
};

std::string line_of(const ObjectKey& key) {
  const auto& names = volumes::names_of(key.kind);
  return names.qualified(names.singular) + " \"" + key.name + "\" deleted" +
         (key.name_space.empty() ? "" : " from " + key.name_space + " namespace");
}

Outcome<std::vector<ObjectKey>> keys_of(const DeleteArguments& arguments) {
  if (arguments.files.empty()) return parse_names(arguments.words, arguments.name_space);
  auto written = read_files(arguments.files, arguments.name_space);
  if (!written) return tl::unexpected(written.error());
  if (!written->complaints.empty()) {
    std::string text;
    for (const std::string& complaint : written->complaints)
      text += (text.empty() ? "" : "\n") + complaint;
    return fail(ExitStatus::InvalidManifest, text);
  }
  std::vector<ObjectKey> keys;
  for (const WrittenObject& each : written->objects) keys.push_back(each.object.key());
  return keys;
}

// Gone, or another object under the name.
Outcome<bool> is_gone(Context& context, const Going& going) {
  const auto now = context.store->get(going.key);
  if (now) return now->uid() != going.uid;
  if (now.error().code == ENOENT) return true;
  return tl::unexpected(failure_of(now.error()));
}

}  // namespace

Outcome<ExitStatus> remove(Context& context, const DeleteArguments& arguments) {
  const auto keys = keys_of(arguments);
  if (!keys) return tl::unexpected(keys.error());
  ExitStatus status = ExitStatus::Done;
  std::vector<Going> going;
  for (const ObjectKey& key : *keys) {
    const auto deleted = context.api->remove(key);
    if (!deleted) {
      const Failure failure = failure_of(deleted.error());
      std::fprintf(stderr, "%s\n", failure.message.c_str());
      status = failure.status;
      continue;
    }
    std::printf("%s\n", line_of(key).c_str());
    if (!deleted->is_gone) going.push_back({key, deleted->object.uid()});
  }
  std::fflush(stdout);
  if (!arguments.wait) return status;
  const auto all_gone = until_true(*context.store, arguments.timeout, [&]() -> Outcome<bool> {
    while (!going.empty()) {
      const auto gone = is_gone(context, going.back());
      if (!gone || !*gone) return gone;
      going.pop_back();
    }
    return true;
  });
  if (!all_gone) return tl::unexpected(all_gone.error());
  if (*all_gone) return status;
  for (const Going& each : going) {
    std::fprintf(stderr,
                 "error: timed out waiting for %s/%s to go: it is in use or has finalizers (see "
                 "claimfs describe)\n",
                 std::string(volumes::names_of(each.key.kind).singular).c_str(),
                 each.key.name.c_str());
  }
  return ExitStatus::InUse;
}

}  // namespace claimfs::cli
