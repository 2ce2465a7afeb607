#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "cli/columns.h"
#include "cli/manifest_files.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace claimfs::cli {

using volumes::Kind;

Outcome<ExitStatus> import_objects(Context& context, const std::vector<std::string>& files) {
  auto written = read_files(files, "default", config::kBackupLimits);
  if (!written) return tl::unexpected(written.error());
  for (const std::string& complaint : written->complaints)
    std::fprintf(stderr, "%s\n", complaint.c_str());
  if (!written->complaints.empty()) return ExitStatus::InvalidManifest;
  std::vector<volumes::Object> objects;
  for (WrittenObject& each : written->objects) {
    if (each.object.name().empty()) {
      const control::Refusal nameless{
          .message = "an object without metadata.name cannot be imported", .causes = {}};
      return fail(ExitStatus::InvalidManifest, refusal_text(nameless, each.manifest));
    }
    objects.push_back(std::move(each.object));
  }
  const auto imported = context.api->import(objects);
  if (!imported) return tl::unexpected(failure_of(imported.error()));
  for (const volumes::Object& object : objects)
    std::printf("%s imported\n", qualified_name(object).c_str());
  return ExitStatus::Done;
}

Outcome<ExitStatus> export_objects(Context& context) {
  std::vector<volumes::Object> objects;
  for (Kind kind : {Kind::StorageClass, Kind::PersistentVolume, Kind::PersistentVolumeClaim,
                    Kind::Pod, Kind::Event}) {
    auto listing = context.store->list(kind);
    if (!listing) return tl::unexpected(failure_of(listing.error()));
    std::ranges::move(listing->objects, std::back_inserter(objects));
  }
  // Attachments, mounts and usages say what is so now: they are no part of a backup.
  const auto yaml = OutputFormat::parse("yaml").value().text(objects, /*as_list=*/true);
  if (!yaml) return tl::unexpected(yaml.error());
  std::cout << *yaml << std::flush;
  if (!std::cout) return fail(ExitStatus::Failed, "the export could not be written completely");
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
