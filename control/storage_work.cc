#include "control/storage_work.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <mutex>

namespace claimfs::control {
namespace {

using volumes::Kind;
using volumes::ReclaimWork;

constexpr auto kTurnPause = std::chrono::milliseconds(100);
constexpr auto kWorthTelling = std::chrono::seconds(1);

std::string key_of(const char* verb, const std::string& name, const std::string& uid) {
  return std::string(verb) + "-" + name + "[" + uid + "]";
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f%s" : "%.1f%s", size, kUnits[unit]);
  return text.data();
}

bool is_of_host(const volumes::VolumeSource& source) {
  return std::holds_alternative<volumes::HostPathSource>(source) ||
         std::holds_alternative<volumes::LocalSource>(source);
}

// Kubernetes' recycler is a pod, and this is what becomes of it.
const char* const kOutOfTime = "Pod was active on the node longer than the specified deadline";

Result<void> perform_on(backends::Ground& ground, const std::string& path, const ReclaimWork& work,
                        backends::RemovalProgress& progress, const std::stop_token& stop) {
  switch (work.action) {
    case ReclaimWork::Action::Delete:
      TRY_VOID(ground.remove_tree(path, progress, stop));
      return work.takes_empty_parents ? ground.remove_empty_parents(path) : Result<void>();
    case ReclaimWork::Action::Recycle: {
      const auto scrubbed = ground.scrub(path, progress, stop);
      // Kubernetes' recycler is a pod, for which a missing directory of the host is made: it is
      // empty. An export that is not there cannot be mounted, and the pod fails: the server's disk
      // may come back, with everything that is on it.
      if (!scrubbed && scrubbed.error().code == ENOENT && is_of_host(work.source)) return {};
      return scrubbed;
    }
    case ReclaimWork::Action::Archive:
      TRY_VOID(ground.archive(path, work.archive_name));
      return {};
    case ReclaimWork::Action::Keep:
      break;
  }
  return {};
}

}  // namespace

StorageWork::StorageWork(store::Store& store, backends::Ground& host, NfsStorage nfs,
                         std::function<void()> wake)
    : store_(store), host_(host), nfs_(std::move(nfs)), jobs_(std::move(wake)) {}

// A share of an NFS server, mounted as the volume's options say.
Result<std::unique_ptr<backends::Ground>> StorageWork::ground_of(const volumes::Volume& volume,
                                                                 const std::string& server,
                                                                 const std::string& share) const {
  volumes::Volume at_share = volume;
  at_share.source = volumes::NfsSource{.server = server, .path = share};
  auto options = volumes::nfs_options(at_share, {}, nfs_.defaults);
  if (!options) return failure(ENOTSUP, options.error());
  if (!nfs_.make_ground) return failure(ENOTSUP, "this controller reaches no NFS servers");
  return nfs_.make_ground(std::move(*options));
}

bool StorageWork::provision(const volumes::Claim& claim, const volumes::ProvisioningPlan& plan) {
  const auto& metadata = claim.metadata;
  const std::string key =
      key_of("provision", metadata.name_space + "/" + metadata.name, metadata.uid);
  started_[key] = {
      {Kind::PersistentVolumeClaim, metadata.name_space, metadata.name}, metadata.uid, {}};
  return jobs_.start(
      key, std::chrono::seconds(0),
      [this, plan](backends::RemovalProgress&, const std::stop_token&) -> Result<void> {
        if (plan.server.empty()) return host_.make_directory(plan.base, plan.below, plan.mode);
        const auto ground =
            TRY(ground_of(volumes::Volume::from(plan.volume), plan.server, plan.base));
        return ground->make_directory(plan.base, plan.below, plan.mode);
      });
}

void StorageWork::reclaim(const volumes::Volume& volume, const ReclaimWork& work) {
  const auto& metadata = volume.metadata;
  const char* verb = work.action == ReclaimWork::Action::Recycle ? "recycle" : "delete";
  const std::string key = key_of(verb, metadata.name, metadata.uid);
  started_[key] = {{Kind::PersistentVolume, "", metadata.name}, metadata.uid, work};
  if (!lease_ || !lease_->is_held()) {
    lease_.reset();
    auto granted = store_.grant_lease();
    if (granted) lease_ = std::move(*granted);
  }
  jobs_.start(key, work.deadline,
              [this, lease = lease_, volume, work](backends::RemovalProgress& progress,
                                                   const std::stop_token& stop) -> Result<void> {
                if (!lease) return failure(EIO, "the store grants no lease");
                const std::string turn = "reclaim " + volume.metadata.uid;
                TRY_VOID(take_turn(turn, *lease, stop));
                Result<void> done = perform(volume, work, progress, stop);
                // Where this fails the name goes with the process.
                (void)store_.release(turn, *lease);
                return done;
              });
}

// Waits for its turn: EBUSY never, ECANCELED when it was asked to stop.
Result<void> StorageWork::take_turn(const std::string& name, const store::Lease& lease,
                                    const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    const auto taken = store_.acquire(name, lease, "pid " + std::to_string(::getpid()));
    if (taken || taken.error().code != EBUSY) return taken;
    // Nobody tells when the name becomes free.
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kTurnPause, [] { return false; });
  }
  return failure(ECANCELED);
}

// Whether the store still says what the decision was made from.
Result<bool> StorageWork::is_still_wanted(const volumes::Volume& volume) {
  const auto current = store_.get({Kind::PersistentVolume, "", volume.metadata.name});
  if (!current) {
    if (current.error().code == ENOENT) return false;
    return failure(current.error());
  }
  const auto now = volumes::Volume::from(*current);
  const bool is_released =
      now.phase == volumes::VolumePhase::Released || now.phase == volumes::VolumePhase::Failed;
  return is_released && now.metadata.uid == volume.metadata.uid &&
         now.claim_ref == volume.claim_ref && now.reclaim_policy == volume.reclaim_policy;
}

Result<void> StorageWork::perform(const volumes::Volume& volume, const ReclaimWork& work,
                                  backends::RemovalProgress& progress,
                                  const std::stop_token& stop) {
  if (!TRY(is_still_wanted(volume))) return failure(ECANCELED);
  if (work.action == ReclaimWork::Action::Keep) return {};
  if (!is_of_host(work.source)) return perform_on_server(volume, work, progress, stop);
  return perform_on(host_, work.path(), work, progress, stop);
}

// What a provisioner of ours made is reached from the share that it was made in, so that the server
// itself follows no path that the volume's users had a hand in.
Result<void> StorageWork::perform_on_server(const volumes::Volume& volume, const ReclaimWork& work,
                                            backends::RemovalProgress& progress,
                                            const std::stop_token& stop) {
  const auto place = volumes::nfs_place(volume);
  if (!place) return failure(ENOTSUP, "its source is not on an NFS server");
  std::string share = place->path;
  if (work.action != ReclaimWork::Action::Recycle) {
    const auto base = volume.metadata.annotations.find(std::string(volumes::kBaseDirectory));
    if (base == volume.metadata.annotations.end())
      return failure(ENOTSUP,
                     "the volume does not say in which directory it was made (annotation " +
                         std::string(volumes::kBaseDirectory) + ")");
    share = base->second;
  }
  const auto ground = TRY(ground_of(volume, place->server, share));
  return perform_on(*ground, place->path, work, progress, stop);
}

std::vector<StorageWork::Finished> StorageWork::take_finished() {
  std::vector<Finished> finished;
  for (Jobs::Finished& job : jobs_.take_finished()) {
    const Started& started = started_.at(job.key);
    Finished each{.about = started.about,
                  .uid = started.uid,
                  .outcome = Outcome::Done,
                  .why = "",
                  .reclaim = started.reclaim};
    if (!job.result) {
      const Error& error = job.result.error();
      each.outcome = error.code == ECANCELED ? Outcome::NotWanted : Outcome::Failed;
      each.why = error.code == ENOTSUP     ? error.context
                 : error.code == ETIMEDOUT ? kOutOfTime
                                           : error.message();
    }
    finished.push_back(std::move(each));
    if (job.result || each.outcome == Outcome::NotWanted) started_.erase(job.key);
  }
  return finished;
}

std::vector<volumes::ObjectKey> StorageWork::take_due() {
  std::vector<volumes::ObjectKey> due;
  for (const std::string& key : jobs_.take_due()) {
    const auto found = started_.find(key);
    if (found != started_.end()) due.push_back(found->second.about);
  }
  return due;
}

std::vector<StorageWork::Progress> StorageWork::progress() {
  jobs_.enforce_limits();
  std::vector<Progress> slow;
  for (const Jobs::Running& job : jobs_.running()) {
    if (job.since_start < kWorthTelling || job.files == 0) continue;
    const auto found = started_.find(job.key);
    if (found == started_.end() || found->second.about.kind != Kind::PersistentVolume) continue;
    slow.push_back({found->second.about.name, std::to_string(job.files) + " files removed, " +
                                                  size_text(job.bytes) + " freed"});
  }
  return slow;
}

}  // namespace claimfs::control
