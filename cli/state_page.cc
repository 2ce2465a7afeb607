#include "cli/state_page.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sstream>

#include "cli/columns.h"
#include "cli/describe.h"
#include "cli/version.h"
#include "control/clock.h"
#include "volumes/reclaim.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;

constexpr std::string_view kPassthroughOn = "passthrough";

std::string_view word_of(config::CapacityEnforcement wanted) {
  switch (wanted) {
    case config::CapacityEnforcement::Quota:
      return "quota";
    case config::CapacityEnforcement::Accounting:
      return "accounting";
    case config::CapacityEnforcement::None:
      return "none";
    case config::CapacityEnforcement::Auto:
      break;
  }
  return "auto";
}

// How a volume is kept within its capacity.
std::string_view way_of(fs::ServedVolume& volume) {
  switch (volume.backend().enforcement()) {
    case backends::Enforcement::Quota:
      return "quota";
    case backends::Enforcement::Accounting:
      return "accounting";
    case backends::Enforcement::None:
      break;
  }
  return volume.claim()->is_block ? "size" : "none";
}

std::string backend_state(fs::ServedVolume& volume) {
  if (const auto silence = volume.backend().silence()) {
    const auto lasts = std::chrono::steady_clock::now() - silence->since;
    return silence->who + " not responding for " +
           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(lasts).count()) + "s";
  }
  return volume.is_in_use() ? "up" : "idle";
}

std::string volume_lines(fs::Filesystem& filesystem) {
  Table table = {{"CLAIM", "VOLUME", "ACCESS", "BACKEND", "DATA PATH", "OPEN"}};
  for (const auto& volume : filesystem.tree().claims()) {
    const auto claim = volume->claim();
    const int refusal = volume->passthrough_refusal();
    table.push_back(
        {claim->name_space + "/" + claim->name, claim->volume_name,
         claim->is_read_only ? "read-only" : "read-write", backend_state(*volume),
         refusal == 0 ? std::string(kPassthroughOn) : "copy (" + Error(refusal).message() + ")",
         std::to_string(volume->open_handles.load())});
  }
  return table.size() > 1 ? table_text(table) : "";
}

// How each volume is kept within its capacity, and what it holds if that is known.
std::string capacity_lines(fs::Filesystem& filesystem) {
  Table table = {{"CLAIM", "CAPACITY", "ENFORCEMENT", "USED"}};
  for (const auto& volume : filesystem.tree().claims()) {
    const auto claim = volume->claim();
    const std::uint64_t used = volume->used_bytes.load();
    table.push_back({claim->name_space + "/" + claim->name, claim->capacity,
                     std::string(way_of(*volume)), used > 0 ? std::to_string(used) : "<unknown>"});
  }
  return table.size() > 1 ? "\n" + table_text(table) : "";
}

std::string status_text(store::Store& store, const MountFacts& facts, fs::Filesystem* filesystem) {
  std::string text = "mount point: " + facts.mount_point + "\nnode: " + facts.node +
                     "\nstore: " + facts.store + "\n";
  const auto counts = count_objects(store);
  text += counts ? counts_text(*counts) : "store error: " + counts.error().message() + "\n";
  text += "capacity enforcement: " + std::string(word_of(facts.enforcement)) + "\n";
  if (!filesystem) return text;
  text += "cached inodes: " + std::to_string(filesystem->nodes().size()) +
          "\nopen handles: " + std::to_string(filesystem->open_handles()) +
          "\nrequests: " + (filesystem->has_rings() ? "io_uring" : "/dev/fuse") + "\n";
  const std::string lines = volume_lines(*filesystem);
  return lines.empty() ? text : text + "\n" + lines + capacity_lines(*filesystem);
}

// Only of volumes that are in use: to ask others would begin to use them.
void volume_metrics(std::ostringstream& text, fs::Filesystem& filesystem) {
  text
      << "# HELP claimfs_volume_capacity_bytes What a volume may hold, and how it is kept within.\n"
         "# TYPE claimfs_volume_capacity_bytes gauge\n";
  const auto volumes = filesystem.tree().claims();
  const auto labels = [](fs::ServedVolume& volume) {
    const auto claim = volume.claim();
    return "{namespace=\"" + claim->name_space + "\",persistentvolumeclaim=\"" + claim->name +
           "\",enforcement=\"" + std::string(way_of(volume)) + "\"} ";
  };
  for (const auto& volume : volumes) {
    if (volume->is_in_use())
      text << "claimfs_volume_capacity_bytes" << labels(*volume) << volume->claim()->capacity_bytes
           << "\n";
  }
  text << "# HELP claimfs_volume_used_bytes What a volume holds, as df has last shown it.\n"
          "# TYPE claimfs_volume_used_bytes gauge\n";
  for (const auto& volume : volumes) {
    if (volume->is_in_use())
      text << "claimfs_volume_used_bytes" << labels(*volume) << volume->used_bytes.load() << "\n";
  }
}

std::string metrics_text(store::Store& store, fs::Filesystem* filesystem) {
  std::ostringstream text;
  const auto gauge = [&text](const char* name, const char* help) {
    text << "# HELP " << name << " " << help << "\n# TYPE " << name << " gauge\n";
  };
  if (const auto counts = count_objects(store)) {
    gauge("claimfs_persistentvolumes", "PersistentVolumes in the store.");
    for (const auto& [phase, count] : counts->volumes)
      text << "claimfs_persistentvolumes{phase=\"" << phase << "\"} " << count << "\n";
    gauge("claimfs_persistentvolumeclaims", "PersistentVolumeClaims in the store.");
    for (const auto& [phase, count] : counts->claims)
      text << "claimfs_persistentvolumeclaims{phase=\"" << phase << "\"} " << count << "\n";
  }
  if (!filesystem) return text.str();
  gauge("claimfs_inodes", "Inodes that the kernel remembers of this mount.");
  text << "claimfs_inodes " << filesystem->nodes().size() << "\n";
  gauge("claimfs_open_handles", "Files and directories that are open in this mount.");
  text << "claimfs_open_handles " << filesystem->open_handles() << "\n";
  text << "# HELP claimfs_requests_total Requests of the kernel, by FUSE operation.\n"
          "# TYPE claimfs_requests_total counter\n";
  for (const auto& [operation, count] : filesystem->request_counts().totals())
    text << "claimfs_requests_total{operation=\"" << operation << "\"} " << count << "\n";
  volume_metrics(text, *filesystem);
  return text.str();
}

std::string events_text(store::Store& store) {
  auto listing = store.list(Kind::Event);
  if (!listing) return listing.error().message() + "\n";
  std::ranges::stable_sort(listing->objects, {},
                           [](const Object& event) { return last_seen(event.document); });
  return table_text(
      table_of(Kind::Event, listing->objects, {.with_namespace = true}, control::system_clock()()));
}

}  // namespace

Result<ObjectCounts> count_objects(store::Store& store) {
  ObjectCounts counts;
  const auto phase_of = [](const Object& object) {
    return volumes::text_at(object.document, {"status", "phase"});
  };
  const store::Listing volumes = TRY(store.list(Kind::PersistentVolume));
  for (const Object& object : volumes.objects) {
    ++counts.volumes[phase_of(object)];
    const std::string progress =
        volumes::text_at(object.document, {"metadata", "annotations", volumes::kReclaimProgress});
    if (!progress.empty()) counts.reclaims[object.name()] = progress;
  }
  const store::Listing claims = TRY(store.list(Kind::PersistentVolumeClaim));
  for (const Object& object : claims.objects) ++counts.claims[phase_of(object)];
  counts.classes = static_cast<int>(TRY(store.list(Kind::StorageClass)).objects.size());
  counts.pods = static_cast<int>(TRY(store.list(Kind::Pod)).objects.size());
  counts.attachments = static_cast<int>(TRY(store.list(Kind::Attachment)).objects.size());
  return counts;
}

std::string counts_text(const ObjectCounts& counts) {
  const auto by_phase = [](const std::map<std::string, int>& phases) {
    std::string text;
    int sum = 0;
    for (const auto& [phase, count] : phases) {
      text += (text.empty() ? " (" : ", ") + std::to_string(count) + " " + phase;
      sum += count;
    }
    return std::to_string(sum) + text + (text.empty() ? "" : ")");
  };
  std::string reclaims;
  for (const auto& [volume, progress] : counts.reclaims)
    reclaims += "reclaiming " + volume + ": " + progress + "\n";
  return "volumes: " + by_phase(counts.volumes) + "\nclaims: " + by_phase(counts.claims) +
         "\nstorage classes: " + std::to_string(counts.classes) +
         "\npods: " + std::to_string(counts.pods) +
         "\nattachments: " + std::to_string(counts.attachments) + "\n" + reclaims;
}

fs::StateTexts state_texts(store::Store& store, MountFacts facts,
                           std::function<fs::Filesystem*()> filesystem) {
  return {.version = version_text,
          .status = [&store, facts, filesystem] { return status_text(store, facts, filesystem()); },
          .events = [&store] { return events_text(store); },
          .metrics = [&store, filesystem] { return metrics_text(store, filesystem()); },
          .claims =
              [&store] {
                std::vector<std::pair<std::string, std::string>> names;
                if (const auto listing = store.list(Kind::PersistentVolumeClaim)) {
                  for (const Object& claim : listing->objects)
                    names.emplace_back(claim.name_space(), claim.name());
                }
                return names;
              },
          .claim = [&store](const std::string& name_space,
                            const std::string& claim) -> Result<std::string> {
            const Object object = TRY(store.get({Kind::PersistentVolumeClaim, name_space, claim}));
            return describe(object, TRY(surroundings_of(store, control::system_clock()())));
          }};
}

}  // namespace claimfs::cli
