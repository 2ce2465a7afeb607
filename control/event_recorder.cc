#include "control/event_recorder.h"

#include <algorithm>
#include <optional>

#include "control/uid.h"
#include "volumes/timestamp.h"

namespace claimfs::control {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Notice;
using volumes::Object;
using volumes::ObjectKey;

constexpr std::int64_t kFirstPauseSeconds = 15;
constexpr std::int64_t kLongestPauseSeconds = 300;
constexpr std::int64_t kLifetimeSeconds = 3600;
// Distinct events that are remembered; beyond, the store is asked again.
constexpr std::size_t kMostKnown = 10'000;

// Events of objects without a namespace stand in "default".
std::string name_space_for(const ObjectKey& about) {
  return about.name_space.empty() ? "default" : about.name_space;
}

}  // namespace

EventRecorder::EventRecorder(store::Store& store, Clock clock, std::string component,
                             std::string host)
    : store_(store),
      clock_(std::move(clock)),
      component_(std::move(component)),
      host_(std::move(host)) {}

void EventRecorder::record(const Notice& notice) {
  const Identity identity(notice.about, notice.uid, notice.reason, notice.message);
  const std::int64_t now = clock_();
  std::optional<ObjectKey> event;
  const bool is_due = known_.with([&](std::map<Identity, Known>& known) {
    if (known.size() > kMostKnown) known.clear();
    const auto found = known.find(identity);
    if (found == known.end()) return true;
    event = found->second.event;
    return now >= found->second.next_write;
  });
  if (!is_due) return;
  event = write(notice, event ? event : find_in_store(notice));
  if (!event) return;
  known_.with([&](std::map<Identity, Known>& known) {
    Known& entry = known[identity];
    entry.event = *event;
    entry.pause_seconds =
        std::clamp(entry.pause_seconds * 2, kFirstPauseSeconds, kLongestPauseSeconds);
    entry.next_write = now + entry.pause_seconds;
  });
}

std::optional<ObjectKey> EventRecorder::write(const Notice& notice,
                                              const std::optional<ObjectKey>& known) {
  const std::int64_t now = clock_();
  if (known) {
    if (auto existing = store_.get(*known)) {
      existing->document["count"] = existing->document.value("count", 1) + 1;
      existing->document["lastTimestamp"] = volumes::timestamp_text(now);
      // Whoever wrote meanwhile has counted too: one repetition more or less is no matter.
      if (const auto updated = store_.update(*existing); updated || updated.error().code == EAGAIN)
        return known;
    }
  }
  const auto created = store_.create(first(notice, now));
  return created ? std::optional(created->key()) : std::nullopt;
}

Object EventRecorder::first(const Notice& notice, std::int64_t now) const {
  const auto& names = volumes::names_of(notice.about.kind);
  const std::string time = volumes::timestamp_text(now);
  const std::string uid = new_uid();
  Json about = {
      {"kind", names.kind_name}, {"apiVersion", names.api_version}, {"name", notice.about.name}};
  if (!notice.about.name_space.empty()) about["namespace"] = notice.about.name_space;
  if (!notice.uid.empty()) about["uid"] = notice.uid;
  Json source = {{"component", component_}};
  if (!host_.empty()) source["host"] = host_;
  return {Kind::Event,
          {{"apiVersion", "v1"},
           {"kind", "Event"},
           // Kubernetes appends the time in hexadecimal; ours only has to be unique.
           {"metadata",
            {{"name", notice.about.name + "." + uid.substr(0, 8) + uid.substr(9, 4)},
             {"namespace", name_space_for(notice.about)},
             {"creationTimestamp", time},
             {"uid", uid}}},
           {"involvedObject", about},
           {"reason", notice.reason},
           {"message", notice.message},
           {"type", notice.type == Notice::Type::Warning ? "Warning" : "Normal"},
           {"count", 1},
           {"firstTimestamp", time},
           {"lastTimestamp", time},
           {"eventTime", nullptr},
           {"source", source},
           {"reportingComponent", component_},
           {"reportingInstance", host_}}};
}

std::optional<ObjectKey> EventRecorder::find_in_store(const Notice& notice) {
  const auto listing = store_.list(Kind::Event);
  if (!listing) return std::nullopt;
  for (const Object& event : listing->objects) {
    const Json& about = volumes::value_at(event.document, {"involvedObject"});
    if (volumes::text_at(event.document, "reason") == notice.reason &&
        volumes::text_at(event.document, "message") == notice.message &&
        volumes::text_at(about, "uid") == notice.uid &&
        volumes::text_at(about, "name") == notice.about.name &&
        volumes::text_at(about, "namespace") == notice.about.name_space &&
        volumes::text_at(event.document, {"source", "component"}) == component_) {
      return event.key();
    }
  }
  return std::nullopt;
}

void EventRecorder::expire() {
  const auto listing = store_.list(Kind::Event);
  if (!listing) return;
  const std::int64_t now = clock_();
  for (const Object& event : listing->objects) {
    const auto last = volumes::timestamp_seconds(volumes::text_at(event.document, "lastTimestamp"));
    // Its answer does not matter: somebody else may have been quicker.
    if (last && now - *last > kLifetimeSeconds)
      (void)store_.remove(event.key(), event.resource_version());
  }
}

}  // namespace claimfs::control
