#include "control/controller.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "volumes/timestamp.h"

namespace claimfs::control {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::ObjectKey;

constexpr auto kResync = std::chrono::seconds(15);
constexpr auto kRetry = std::chrono::seconds(1);
// A fixed point is reached after a handful of rounds; more means that somebody writes against us.
constexpr int kMaxRounds = 1000;
constexpr std::string_view kComponent = "persistentvolume-controller";
constexpr const char* kLock = "controller";

void wait_for(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

// Claims are served in the order in which they were made.
std::vector<ObjectKey> claims_by_age(const volumes::World& world) {
  std::vector<std::pair<std::string, ObjectKey>> claims;
  for (const auto& [key, claim] : world.claims()) {
    claims.emplace_back(claim.metadata.created,
                        ObjectKey{Kind::PersistentVolumeClaim, key.first, key.second});
  }
  std::ranges::sort(claims);
  std::vector<ObjectKey> keys;
  for (auto& [created, key] : claims) keys.push_back(std::move(key));
  return keys;
}

}  // namespace

Controller::Controller(store::Store& store, Clock clock)
    : store_(store),
      clock_(clock),
      events_(store, clock, std::string(kComponent)),
      mirror_(store) {}

Result<void> Controller::settle() {
  TRY_VOID(mirror_.relist());
  return settle_mirror();
}

Result<void> Controller::settle_mirror() {
  for (int round = 0; round < kMaxRounds; ++round) {
    // Volumes first: a new one must be Available before a claim can take it.
    const bool volumes_changed = TRY(step_volumes());
    const bool claims_changed = TRY(step_claims());
    const bool others_changed = TRY(mirror_.follow(std::chrono::milliseconds(0)));
    if (!volumes_changed && !claims_changed && !others_changed) return {};
  }
  return failure(EBUSY, "the objects do not settle: something else keeps changing them");
}

Result<bool> Controller::step_volumes() {
  bool changed = false;
  std::vector<std::string> names;
  for (const auto& [name, volume] : mirror_.world().volumes()) names.push_back(name);
  for (const std::string& name : names) {
    const volumes::Volume* volume = mirror_.world().volume(name);
    if (!volume) continue;
    const volumes::Step step = volumes::step_volume(*volume, mirror_.world());
    if (TRY(perform(step))) {
      changed = true;
      volume = mirror_.world().volume(name);
      if (!volume) continue;
    }
    changed |= TRY(finish({Kind::PersistentVolume, "", name}, volume->metadata,
                          volumes::protection_ends(*volume), volumes::kVolumeProtection));
  }
  return changed;
}

Result<bool> Controller::step_claims() {
  bool changed = false;
  for (const ObjectKey& key : claims_by_age(mirror_.world())) {
    const volumes::Claim* claim = mirror_.world().claim(key.name_space, key.name);
    if (!claim) continue;
    const volumes::Step step = volumes::step_claim(*claim, mirror_.world());
    if (TRY(perform(step))) {
      changed = true;
      claim = mirror_.world().claim(key.name_space, key.name);
      if (!claim) continue;
    }
    changed |= TRY(finish(key, claim->metadata, volumes::protection_ends(*claim, mirror_.world()),
                          volumes::kClaimProtection));
  }
  return changed;
}

// The volume first, then the claim: whatever a crash leaves in between, the next step completes.
Result<bool> Controller::perform(const volumes::Step& step) {
  for (const volumes::Notice& notice : step.notices) events_.record(notice);
  bool changed = false;
  if (step.volume) {
    const ObjectKey key{Kind::PersistentVolume, "", step.volume->metadata.name};
    const volumes::Object* stored = mirror_.find(key);
    Json document = step.volume->written_into(stored->document);
    if (volumes::text_at(document, {"status", "phase"}) !=
        volumes::text_at(stored->document, {"status", "phase"})) {
      document["status"]["lastPhaseTransitionTime"] = volumes::timestamp_text(clock_());
    }
    if (!TRY(write(key, std::move(document)))) return true;
    changed = true;
  }
  if (step.claim) {
    const auto& metadata = step.claim->metadata;
    const ObjectKey key{Kind::PersistentVolumeClaim, metadata.name_space, metadata.name};
    TRY_VOID(write(key, step.claim->written_into(mirror_.find(key)->document)));
    changed = true;
  }
  return changed;
}

// False when somebody else was quicker: the mirror shows theirs now.
Result<bool> Controller::write(const ObjectKey& key, Json document) {
  auto updated = store_.update({key.kind, std::move(document)});
  if (updated) {
    mirror_.put(std::move(*updated));
    return true;
  }
  if (updated.error().code != EAGAIN && updated.error().code != ENOENT)
    return failure(updated.error());
  auto current = store_.get(key);
  if (current) {
    mirror_.put(std::move(*current));
  } else if (current.error().code == ENOENT) {
    mirror_.erase(key);
  } else {
    return failure(current.error());
  }
  return false;
}

// Keeps the protection finalizer where it belongs, and lets go what nothing holds any more.
Result<bool> Controller::finish(const ObjectKey& key, volumes::Metadata metadata,
                                bool protection_ends, std::string_view protection) {
  if (!metadata.is_deleting()) {
    if (metadata.has_finalizer(protection)) return false;
    metadata.finalizers.emplace_back(protection);
  } else {
    if (protection_ends) metadata.drop_finalizer(protection);
    if (metadata.finalizers.empty()) {
      const auto removed = store_.remove(key, metadata.resource_version);
      if (removed || removed.error().code == ENOENT) {
        mirror_.erase(key);
        return true;
      }
      if (removed.error().code != EAGAIN) return failure(removed.error());
      mirror_.put(TRY(store_.get(key)));
      return true;
    }
    if (!protection_ends) return false;
  }
  Json document = mirror_.find(key)->document;
  metadata.write_into(document);
  TRY_VOID(write(key, std::move(document)));
  return true;
}

Result<void> Controller::lead(const std::stop_token& stop, const store::Lease& lease) {
  TRY_VOID(mirror_.relist());
  std::stop_callback wake(stop, [this] { mirror_.wake(); });
  while (!stop.stop_requested()) {
    TRY_VOID(settle_mirror());
    events_.expire();
    // Every change but those of events, or the time to look again.
    const auto deadline = std::chrono::steady_clock::now() + kResync;
    while (!stop.stop_requested()) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= left.zero()) break;
      if (TRY(mirror_.follow(std::chrono::ceil<std::chrono::milliseconds>(left)))) break;
    }
    if (!lease.is_held()) return failure(ESTALE, "lost the right to be the controller");
  }
  return {};
}

void Controller::run(std::stop_token stop, const std::string& holder,
                     const std::function<void(const Error&)>& report) {
  std::unique_ptr<store::Lease> lease;
  while (!stop.stop_requested()) {
    Result<void> done;
    if (!lease || !lease->is_held()) {
      lease.reset();
      auto granted = store_.grant_lease();
      if (granted) {
        lease = std::move(*granted);
      } else {
        done = failure(granted.error());
      }
    }
    if (lease) done = store_.acquire(kLock, *lease, holder);
    if (done) done = lead(stop, *lease);
    // EBUSY: another one leads.
    if (!done && done.error().code != EBUSY) report(done.error());
    // Nobody tells when the name becomes free.
    wait_for(stop, kRetry);
  }
}

}  // namespace claimfs::control
