#include "control/controller.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "control/dead_mounts.h"
#include "control/uid.h"
#include "control/volume_bound.h"
#include "volumes/consumers.h"
#include "volumes/ephemeral.h"
#include "volumes/provisioning.h"
#include "volumes/reclaim.h"
#include "volumes/timestamp.h"

namespace claimfs::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using volumes::Json;
using volumes::Kind;
using volumes::ObjectKey;

constexpr auto kResync = std::chrono::seconds(15);
constexpr auto kRetry = std::chrono::seconds(1);
constexpr auto kProgressPeriod = std::chrono::seconds(2);
// A fixed point is reached after a handful of rounds; more means that somebody writes against us.
constexpr int kMaxRounds = 1000;
constexpr std::string_view kComponent = "persistentvolume-controller";
constexpr const char* kLock = "controller";

void wait_for(const std::stop_token& stop, milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

ObjectKey key_of(const volumes::Volume& volume) {
  return {Kind::PersistentVolume, "", volume.metadata.name};
}

ObjectKey key_of(const volumes::Claim& claim) {
  return {Kind::PersistentVolumeClaim, claim.metadata.name_space, claim.metadata.name};
}

}  // namespace

Controller::Controller(store::Store& store, Clock clock, backends::Ground& host,
                       ControllerSettings settings)
    : store_(store),
      clock_(clock),
      settings_(std::move(settings)),
      events_(store, clock, std::string(kComponent)),
      api_(store, clock),
      mirror_(store,
              [this](const ObjectKey& key) {
                agenda_.touch(mirror_.world(), key);
                has_dead_mounts_ |= key.kind == Kind::Mount;
              }),
      writes_(store, mirror_, events_, clock),
      storage_(store, host, settings_.nfs, [this] { mirror_.wake(); }) {}

Result<void> Controller::relist() {
  writes_.drop();
  TRY_VOID(mirror_.relist());
  agenda_.fill(mirror_.world());
  return {};
}

Result<void> Controller::settle(milliseconds for_storage) {
  TRY_VOID(relist());
  TRY_VOID(drain());
  const auto deadline = steady_clock::now() + for_storage;
  while (storage_.is_busy() && steady_clock::now() < deadline) {
    TRY_VOID(mirror_.follow(std::min<milliseconds>(kProgressPeriod, for_storage)));
    show_progress();
    TRY_VOID(drain());
  }
  return {};
}

Result<void> Controller::drain() {
  for (int round = 0; round < kMaxRounds; ++round) {
    take_storage_work();
    if (std::exchange(has_dead_mounts_, false))
      has_dead_mounts_ = TRY(remove_dead_attachments(store_, mirror_, nullptr));
    TRY_VOID(step_pods());
    // Volumes first: a new one must be Available before a claim can take it.
    TRY_VOID(step_volumes());
    TRY_VOID(step_claims());
    TRY_VOID(writes_.flush());
    // Storage is touched when the store says why.
    for (const auto& [volume, work] : std::exchange(to_reclaim_, {}))
      storage_.reclaim(volume, work);
    TRY_VOID(mirror_.follow(milliseconds(0)));
    if (agenda_.is_empty()) return {};
  }
  return failure(EBUSY, "the objects do not settle: something else keeps changing them");
}

Result<void> Controller::step_pods() {
  for (const auto& [name_space, name] : agenda_.take_pods()) {
    const volumes::Pod* pod = mirror_.world().pod(name_space, name);
    if (!pod) continue;
    const volumes::EphemeralStep ephemeral = volumes::step_ephemeral(*pod, mirror_.world());
    for (const volumes::Notice& notice : ephemeral.notices) writes_.tell(notice);
    for (const volumes::Object& claim : ephemeral.claims) {
      // Its refusal is the pod's to show: somebody wrote a template that makes no claim.
      const auto created = api_.create(claim);
      if (created || created.error().reason == Refusal::Reason::AlreadyExists) continue;
      if (created.error().reason == Refusal::Reason::Unreachable)
        return failure(EIO, created.error().message);
      writes_.tell(volumes::notice(*pod, volumes::Notice::Type::Warning, "FailedBinding",
                                   "ephemeral volume: " + created.error().message));
    }
    if (!settings_.node) continue;
    for (const volumes::Step& step : volumes::place(*pod, mirror_.world(), *settings_.node))
      writes_.perform(step);
  }
  return {};
}

Result<void> Controller::step_volumes() {
  for (const std::string& name : agenda_.take_volumes()) {
    step_volume(name);
    if (writes_.is_full()) TRY_VOID(writes_.flush());
  }
  return {};
}

Result<void> Controller::step_claims() {
  for (const auto& name : agenda_.take_claims(mirror_.world())) {
    step_claim(name);
    if (writes_.is_full()) TRY_VOID(writes_.flush());
  }
  return {};
}

void Controller::step_volume(const std::string& name) {
  const auto now = [&] { return mirror_.world().volume(name); };
  if (!now()) return;
  writes_.perform(volumes::step_volume(*now(), mirror_.world()));
  reclaim(*now());
  finish(key_of(*now()), now()->metadata,
         volumes::protection_ends(*now(), mirror_.world(), settings_.host_path_roots),
         volumes::kVolumeProtection);
}

void Controller::step_claim(const Agenda::ClaimName& name) {
  const auto now = [&] { return mirror_.world().claim(name.first, name.second); };
  if (!now()) return;
  writes_.perform(volumes::step_claim(*now(), mirror_.world()));
  writes_.perform(volumes::step_expansion(*now(), mirror_.world()));
  provision(*now());
  if (!now()->metadata.is_deleting() && volumes::is_orphan(*now(), mirror_.world()))
    return delete_object(key_of(*now()), now()->metadata);
  finish(key_of(*now()), now()->metadata, volumes::protection_ends(*now(), mirror_.world()),
         volumes::kClaimProtection);
}

void Controller::reclaim(const volumes::Volume& volume) {
  if (reclaimed_.contains(volume.metadata.uid)) return;
  const auto decided = volumes::decide_reclaim(volume, mirror_.world(), settings_.host_path_roots);
  if (decided.work) to_reclaim_.emplace_back(volume, *decided.work);
  writes_.perform(decided.step);
}

void Controller::provision(const volumes::Claim& claim) {
  const volumes::StorageClass* storage_class = volumes::wants_provisioning(claim, mirror_.world());
  if (!storage_class) return;
  const auto plan = volumes::plan_provisioning(claim, *storage_class, settings_.default_root);
  if (!plan) {
    writes_.tell(volumes::provisioning_failed(claim, *storage_class, plan.error()));
  } else if (storage_.provision(claim, *plan)) {
    writes_.tell(volumes::provisioning_begins(claim, *storage_class));
  }
}

void Controller::take_storage_work() {
  for (const StorageWork::Finished& done : storage_.take_finished()) {
    if (done.about.kind == Kind::PersistentVolume) {
      take_reclaimed(done);
    } else {
      take_provisioned(done);
    }
  }
  for (const ObjectKey& key : storage_.take_due()) agenda_.touch(mirror_.world(), key);
}

void Controller::take_reclaimed(const StorageWork::Finished& done) {
  const volumes::Volume* known = mirror_.world().volume(done.about.name);
  if (!known || known->metadata.uid != done.uid) return;
  if (done.outcome == StorageWork::Outcome::NotWanted ||
      !volumes::is_released(*known, mirror_.world()))
    return agenda_.touch(mirror_.world(), done.about);
  volumes::Volume volume = *known;
  volume.metadata.drop_annotation(volumes::kReclaimProgress);
  if (done.outcome == StorageWork::Outcome::Failed) {
    volumes::Step step = volumes::reclaim_failed(volume, done.reclaim, done.why);
    if (!step.volume) step.volume = std::move(volume);
    writes_.perform(step);
  } else if (done.reclaim.action == volumes::ReclaimWork::Action::Recycle) {
    writes_.perform(volumes::recycled(volume));
  } else {
    // What others' finalizers hold is not reclaimed again.
    reclaimed_.insert(done.uid);
    const volumes::Volume gone = volumes::deleted(volume);
    if (gone.metadata.finalizers.empty()) return writes_.remove(done.about);
    writes_.perform({.volume = gone, .claim = {}, .notices = {}});
    delete_object(done.about, gone.metadata);
  }
}

void Controller::take_provisioned(const StorageWork::Finished& done) {
  const volumes::Claim* claim = mirror_.world().claim(done.about.name_space, done.about.name);
  if (!claim || claim->metadata.uid != done.uid) return;
  const volumes::StorageClass* storage_class = volumes::wants_provisioning(*claim, mirror_.world());
  if (!storage_class) return;
  if (done.outcome == StorageWork::Outcome::Failed)
    return writes_.tell(volumes::provisioning_failed(*claim, *storage_class, done.why));
  auto plan = volumes::plan_provisioning(*claim, *storage_class, settings_.default_root);
  if (!plan) return;
  Json& metadata = plan->volume.document["metadata"];
  metadata["uid"] = new_uid();
  metadata["creationTimestamp"] = volumes::timestamp_text(clock_());
  writes_.create(std::move(plan->volume));
  writes_.tell(volumes::provisioning_succeeded(*claim, *storage_class));
}

// Long removals say how far they are on the volume, where everybody can see it.
void Controller::show_progress() {
  for (const StorageWork::Progress& progress : storage_.progress()) {
    const volumes::Volume* known = mirror_.world().volume(progress.volume);
    if (!known) continue;
    volumes::Volume volume = *known;
    volume.metadata.annotate(volumes::kReclaimProgress, progress.text);
    writes_.perform({.volume = std::move(volume), .claim = {}, .notices = {}});
  }
}

// As a DELETE request would.
void Controller::delete_object(const ObjectKey& key, volumes::Metadata metadata) {
  if (metadata.is_deleting()) return;
  if (metadata.finalizers.empty()) return writes_.remove(key);
  Json document = mirror_.find(key)->document;
  document["metadata"]["deletionTimestamp"] = volumes::timestamp_text(clock_());
  document["metadata"]["deletionGracePeriodSeconds"] = 0;
  writes_.put(key, std::move(document));
}

// Keeps the protection finalizer where it belongs, and lets go what nothing holds any more.
void Controller::finish(const ObjectKey& key, volumes::Metadata metadata, bool protection_ends,
                        std::string_view protection) {
  if (!metadata.is_deleting()) {
    if (metadata.has_finalizer(protection)) return;
    metadata.finalizers.emplace_back(protection);
  } else {
    if (protection_ends) metadata.drop_finalizer(protection);
    if (metadata.finalizers.empty()) return writes_.remove(key);
    if (!protection_ends) return;
  }
  Json document = mirror_.find(key)->document;
  metadata.write_into(document);
  writes_.put(key, std::move(document));
}

// Every change but those of events, storage work that ended or may be tried again, or the time to
// look again.
Result<void> Controller::wait_for_changes(const std::stop_token& stop) {
  const auto resync = steady_clock::now() + kResync;
  while (!stop.stop_requested()) {
    auto until = std::min(resync, storage_.next_due().value_or(resync));
    if (storage_.is_busy()) until = std::min(until, steady_clock::now() + kProgressPeriod);
    if (has_dead_mounts_) until = std::min(until, steady_clock::now() + kRetry);
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    TRY_VOID(mirror_.follow(std::max(left, milliseconds(0))));
    take_storage_work();
    if (!agenda_.is_empty() || has_dead_mounts_) return {};
    if (storage_.is_busy()) {
      show_progress();
      TRY_VOID(writes_.flush());
    }
    if (steady_clock::now() < resync) continue;
    agenda_.fill_restless(mirror_.world());
    events_.expire();
    TRY_VOID(remove_stray_usages(store_, [this](const std::string& name, const std::string& uid) {
      const auto& volumes = mirror_.world().volumes();
      const auto found = volumes.find(name);
      return found != volumes.end() && found->second.metadata.uid == uid;
    }));
    return {};
  }
  return {};
}

Result<void> Controller::lead(const std::stop_token& stop, const store::Lease& lease) {
  TRY_VOID(relist());
  std::stop_callback wake(stop, [this] { mirror_.wake(); });
  while (!stop.stop_requested()) {
    TRY_VOID(drain());
    TRY_VOID(wait_for_changes(stop));
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
