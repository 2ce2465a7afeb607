#include "control/bound_claims.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

namespace claimfs::control {
namespace {

using std::chrono::milliseconds;
using volumes::Kind;

constexpr milliseconds kLookAgain = std::chrono::seconds(30);
constexpr milliseconds kDrainingAgain = std::chrono::milliseconds(200);
constexpr auto kRetry = std::chrono::seconds(1);

std::set<std::string> read_only_pods(const volumes::World& world, const volumes::Claim& claim) {
  std::set<std::string> uids;
  for (const volumes::Pod* pod :
       world.referring_to({claim.metadata.name_space, claim.metadata.name})) {
    const bool is_read_only = std::ranges::all_of(pod->claims, [&claim](const auto& use) {
      return use.claim != claim.metadata.name || use.read_only;
    });
    if (is_read_only && !pod->metadata.uid.empty()) uids.insert(pod->metadata.uid);
  }
  return uids;
}

// What has changed in the mirror since the last look.
struct Changes {
  bool of_claims = true;
  bool of_mounts = true;
  bool of_anything = true;

  void add(const volumes::ObjectKey& key) {
    of_anything = true;
    // Attachments come and go with every use: they are no reason to look at ten thousand claims.
    of_claims |= key.kind != Kind::Attachment && key.kind != Kind::Mount;
    of_mounts |= key.kind == Kind::Mount;
  }
};

// Those of `before` that are there no more; it is what there is now, then.
std::vector<volumes::MountRecord> vanished(std::map<std::string, volumes::MountRecord>& before,
                                           const volumes::World& world) {
  std::vector<volumes::MountRecord> gone;
  for (const auto& [name, record] : before)
    if (!world.mounts().contains(name)) gone.push_back(record);
  before = world.mounts();
  return gone;
}

Result<void> follow(store::Store& store, Mirror& mirror, Changes& changes,
                    const std::stop_token& stop, const MountDuties& duties) {
  TRY_VOID(mirror.relist());
  const auto wake = [&mirror] { mirror.wake(); };
  std::stop_callback wake_at_end(stop, wake);
  duties.attachments.set_wake(wake);
  duties.releases.set_wake(wake);
  duties.attachments.set_attached(
      [&releases = duties.releases](const std::string& attachment, const std::string& claim_uid) {
        releases.attached(attachment, claim_uid);
      });
  bool are_some_draining = false;
  std::map<std::string, volumes::MountRecord> mounts;
  while (!stop.stop_requested()) {
    changes.of_anything = false;
    if (std::exchange(changes.of_claims, false)) {
      duties.show(bound_claims(mirror.world()));
      TRY_VOID(duties.consumers.look(mirror));
    }
    if (std::exchange(changes.of_mounts, false) || are_some_draining) {
      for (const volumes::MountRecord& record : vanished(mounts, mirror.world()))
        if (duties.abort_dead) duties.abort_dead(record);
      are_some_draining = TRY(remove_dead_attachments(store, mirror, duties.unmount_dead));
    }
    milliseconds pause = are_some_draining ? kDrainingAgain : kLookAgain;
    pause = std::min(pause, duties.releases.turn(mirror));
    pause = std::min(pause, duties.attachments.turn(mirror));
    // Who took a turn may have followed the store, and found what others have to look at.
    TRY_VOID(mirror.follow(changes.of_anything ? milliseconds(0) : pause));
  }
  return {};
}

}  // namespace

std::vector<BoundClaim> bound_claims(const volumes::World& world) {
  std::vector<BoundClaim> bound;
  for (const auto& [key, claim] : world.claims()) {
    if (claim.phase != volumes::ClaimPhase::Bound) continue;
    const volumes::Volume* volume = world.volume(claim.volume_name);
    // A binding that is half written is not one yet.
    if (!volume || !volume->refers_to(claim.metadata) ||
        volume->claim_ref->uid != claim.metadata.uid)
      continue;
    bound.push_back({claim, *volume, read_only_pods(world, claim)});
  }
  return bound;
}

void follow_bound_claims(store::Store& store, std::stop_token stop, const MountDuties& duties) {
  Changes changes;
  Mirror mirror(store, [&](const volumes::ObjectKey& key) {
    changes.add(key);
    duties.releases.touched(key);
  });
  while (!stop.stop_requested()) {
    if (const auto followed = follow(store, mirror, changes, stop, duties); !followed)
      duties.report(followed.error());
    if (stop.stop_requested()) break;
    changes = {};
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kRetry, [] { return false; });
  }
  duties.attachments.set_attached(nullptr);
  duties.attachments.set_wake(nullptr);
  duties.releases.set_wake(nullptr);
}

}  // namespace claimfs::control
