#pragma once

#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "backends/ground.h"
#include "base/result.h"
#include "control/agenda.h"
#include "control/api.h"
#include "control/clock.h"
#include "control/event_recorder.h"
#include "control/mirror.h"
#include "control/pending_writes.h"
#include "control/storage_work.h"
#include "store/store.h"
#include "volumes/matching.h"

namespace claimfs::control {

struct ControllerSettings {
  std::vector<std::string> host_path_roots;  // reclaim.hostPathRoots
  std::string default_root;                  // where claimfs.io/host-path makes directories
  // The node whose pods are first consumers; none: others look after their pods.
  std::optional<volumes::Node> node;
  NfsStorage nfs{};
};

// The one loop that binds, provisions and reclaims: look, compare, write, by the decisions of
// volumes/. Every write is compare-and-swap and every step can be taken again, so that a crash
// between any two, or a second controller, does no harm.
class Controller {
 public:
  Controller(store::Store& store, Clock clock, backends::Ground& host, ControllerSettings settings);

  // Takes steps until nothing changes any more; waits up to `for_storage` for directories that are
  // made and removed. What failed and will be tried again later does not keep it, and what still
  // runs then is stopped with this object. Errors are the store's.
  Result<void> settle(std::chrono::milliseconds for_storage = std::chrono::hours(24 * 365));

  // Settles at every change, as the store's one active controller, until it is asked to stop. Waits
  // while another one holds the name. `holder` is who we are, for people. `report` is told errors
  // of the store, which are tried again.
  void run(std::stop_token stop, const std::string& holder,
           const std::function<void(const Error&)>& report);

 private:
  Result<void> lead(const std::stop_token& stop, const store::Lease& lease);
  Result<void> relist();
  // Until nothing is left to be decided now.
  Result<void> drain();
  Result<void> wait_for_changes(const std::stop_token& stop);

  Result<void> step_pods();
  Result<void> step_volumes();
  Result<void> step_claims();
  void step_volume(const std::string& name);
  void step_claim(const Agenda::ClaimName& name);
  void reclaim(const volumes::Volume& volume);
  void provision(const volumes::Claim& claim);
  void take_storage_work();
  void take_reclaimed(const StorageWork::Finished& done);
  void take_provisioned(const StorageWork::Finished& done);
  void show_progress();
  void delete_object(const volumes::ObjectKey& key, volumes::Metadata metadata);
  void finish(const volumes::ObjectKey& key, volumes::Metadata metadata, bool protection_ends,
              std::string_view protection);

  store::Store& store_;
  Clock clock_;
  const ControllerSettings settings_;
  EventRecorder events_;
  Api api_;
  Agenda agenda_;
  Mirror mirror_;
  // Attachments of dead mounts may have to go.
  bool has_dead_mounts_ = true;
  PendingWrites writes_;
  std::vector<std::pair<volumes::Volume, volumes::ReclaimWork>> to_reclaim_;  // after the flush
  std::set<std::string> reclaimed_;  // uids of volumes whose storage is gone; others hold them
  StorageWork storage_;              // last: its jobs wake the mirror
};

}  // namespace claimfs::control
