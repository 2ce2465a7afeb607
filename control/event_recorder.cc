#include "control/event_recorder.h"

#include <algorithm>

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
constexpr std::size_t kMostEvents = 20'000;
// Distinct events that are remembered; beyond, the store is asked again.
constexpr std::size_t kMostKnown = 50'000;

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

EventRecorder::Identity EventRecorder::identity_of(const Notice& notice) const {
  return {notice.about, notice.uid, notice.reason, notice.message,
          notice.from.empty() ? component_ : notice.from};
}

// What was told before this process began goes on being counted.
void EventRecorder::load() {
  if (state_.with([](const State& state) { return state.is_loaded; })) return;
  const auto listing = store_.list(Kind::Event);
  if (!listing) return;
  state_.with([&](State& state) {
    state.is_loaded = true;
    state.count = listing->objects.size();
    state.known.clear();
    for (const Object& event : listing->objects) {
      const Json& about = volumes::value_at(event.document, {"involvedObject"});
      const auto kind = volumes::kind_from_document(about);
      if (!kind) continue;
      Identity identity(
          {*kind, volumes::text_at(about, "namespace"), volumes::text_at(about, "name")},
          volumes::text_at(about, "uid"), volumes::text_at(event.document, "reason"),
          volumes::text_at(event.document, "message"),
          volumes::text_at(event.document, {"source", "component"}));
      state.known[std::move(identity)].event = event.key();
    }
  });
}

std::vector<std::pair<Notice, std::optional<ObjectKey>>> EventRecorder::due(
    const std::vector<Notice>& notices) {
  const std::int64_t now = clock_();
  std::map<Identity, bool> seen;
  return state_.with([&](State& state) {
    std::vector<std::pair<Notice, std::optional<ObjectKey>>> result;
    for (const Notice& notice : notices) {
      const Identity identity = identity_of(notice);
      if (!seen.emplace(identity, true).second) continue;
      const auto found = state.known.find(identity);
      if (found == state.known.end()) {
        result.emplace_back(notice, std::nullopt);
      } else if (now >= found->second.next_write) {
        result.emplace_back(notice, found->second.event);
      }
    }
    return result;
  });
}

void EventRecorder::remember(const Notice& notice, const ObjectKey& event) {
  const std::int64_t now = clock_();
  state_.with([&](State& state) {
    if (state.known.size() > kMostKnown) {
      state.known.clear();
      state.is_loaded = false;
    }
    Known& entry = state.known[identity_of(notice)];
    if (entry.event != event) ++state.count;
    entry.event = event;
    entry.pause_seconds =
        std::clamp(entry.pause_seconds * 2, kFirstPauseSeconds, kLongestPauseSeconds);
    entry.next_write = now + entry.pause_seconds;
  });
}

Object EventRecorder::event_of(const Notice& notice, const std::optional<ObjectKey>& known) {
  const std::int64_t now = clock_();
  if (known) {
    if (auto existing = store_.get(*known)) {
      existing->document["count"] = existing->document.value("count", 1) + 1;
      existing->document["lastTimestamp"] = volumes::timestamp_text(now);
      return std::move(*existing);
    }
  }
  return first(notice, now);
}

void EventRecorder::record(const Notice& notice) { record_all({notice}); }

void EventRecorder::record_all(const std::vector<Notice>& notices) {
  if (notices.empty()) return;
  load();
  const auto to_write = due(notices);
  if (to_write.empty()) return;
  std::vector<Object> events;
  for (const auto& [notice, known] : to_write) events.push_back(event_of(notice, known));
  std::vector<store::Write> writes;
  for (Object& event : events) {
    const bool is_new = event.resource_version().empty();
    writes.push_back({is_new ? store::Write::Type::Create : store::Write::Type::Update, &event});
  }
  const bool all_written = store_.write_all(writes).has_value();
  for (std::size_t i = 0; i < events.size(); ++i) {
    // One of them could not be written as it was: somebody counted meanwhile, or removed it. What
    // is lost is a repetition.
    if (all_written || store_.write_all({&writes[i], 1}))
      remember(to_write[i].first, events[i].key());
  }
}

Object EventRecorder::first(const Notice& notice, std::int64_t now) const {
  const auto& names = volumes::names_of(notice.about.kind);
  const std::string time = volumes::timestamp_text(now);
  const std::string uid = new_uid();
  Json about = {
      {"kind", names.kind_name}, {"apiVersion", names.api_version}, {"name", notice.about.name}};
  if (!notice.about.name_space.empty()) about["namespace"] = notice.about.name_space;
  if (!notice.uid.empty()) about["uid"] = notice.uid;
  const std::string& component = notice.from.empty() ? component_ : notice.from;
  Json source = {{"component", component}};
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
           {"reportingComponent", component},
           {"reportingInstance", host_}}};
}

void EventRecorder::expire() {
  const std::int64_t now = clock_();
  const bool is_time = state_.with(
      [now](const State& state) { return now >= state.next_expiry || state.count > kMostEvents; });
  if (!is_time) return;
  auto listing = store_.list(Kind::Event);
  if (!listing) return;
  std::vector<std::pair<std::int64_t, Object*>> by_age;
  for (Object& event : listing->objects) {
    const auto last = volumes::timestamp_seconds(volumes::text_at(event.document, "lastTimestamp"));
    by_age.emplace_back(last.value_or(now), &event);
  }
  std::ranges::sort(by_age);
  std::size_t left = by_age.size();
  std::int64_t oldest = now;
  std::vector<store::Write> removals;
  for (const auto& [last, event] : by_age) {
    if (now - last <= kLifetimeSeconds && left <= kMostEvents) {
      oldest = last;
      break;
    }
    removals.push_back({store::Write::Type::Remove, event});
    --left;
  }
  // Where somebody else was quicker with one of them, the next time will do.
  if (!removals.empty()) (void)store_.write_all(removals);
  state_.with([&](State& state) {
    state.next_expiry = oldest + kLifetimeSeconds + 1;
    state.count = left;
  });
}

}  // namespace claimfs::control
