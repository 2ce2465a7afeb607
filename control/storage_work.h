#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/ground.h"
#include "control/jobs.h"
#include "store/store.h"
#include "volumes/nfs_options.h"
#include "volumes/provisioning.h"
#include "volumes/reclaim.h"

namespace claimfs::control {

// How directories on NFS servers are reached; without a maker they are not.
struct NfsStorage {
  backends::MakeNfsGround make_ground{};
  volumes::NfsDefaults defaults{};
};

// The storage behind volumes, changed as provisioning and reclaim ask for it: jobs that make,
// remove and empty directories. What they destroy is looked at once more in the store before, under
// a name that one process at a time can hold: two controllers never remove at once, and never what
// has been given back meanwhile. Its calls are for one thread.
class StorageWork {
 public:
  enum class Outcome { Done, Failed, NotWanted };
  struct Finished {
    volumes::ObjectKey about;  // the claim that is provisioned, the volume that is reclaimed
    std::string uid;           // of that object
    Outcome outcome = Outcome::Done;
    std::string why;  // Failed
    volumes::ReclaimWork reclaim;
  };
  struct Progress {
    std::string volume;
    std::string text;  // "1234 files removed, 5Gi freed"
  };

  // `host`: where hostPath and local volumes are; `nfs`: the others. `wake` is called when
  // something has finished.
  StorageWork(store::Store& store, backends::Ground& host, NfsStorage nfs,
              std::function<void()> wake);

  // Each does nothing while the same is being done or has just failed. provision() is true when it
  // does something.
  bool provision(const volumes::Claim& claim, const volumes::ProvisioningPlan& plan);
  void reclaim(const volumes::Volume& volume, const volumes::ReclaimWork& work);

  std::vector<Finished> take_finished();
  // What has failed and may be tried again now.
  std::vector<volumes::ObjectKey> take_due();
  bool is_busy() const { return jobs_.is_busy(); }
  std::optional<Jobs::Clock::time_point> next_due() const { return jobs_.next_due(); }
  // Removals that take long. Stops what has run out of time.
  std::vector<Progress> progress();

 private:
  struct Started {
    volumes::ObjectKey about;
    std::string uid;
    volumes::ReclaimWork reclaim;
  };

  Result<std::unique_ptr<backends::Ground>> ground_of(const volumes::Volume& volume,
                                                      const std::string& server,
                                                      const std::string& share) const;
  Result<void> perform_on_server(const volumes::Volume& volume, const volumes::ReclaimWork& work,
                                 backends::RemovalProgress& progress, const std::stop_token& stop);
  Result<void> perform(const volumes::Volume& volume, const volumes::ReclaimWork& work,
                       backends::RemovalProgress& progress, const std::stop_token& stop);
  Result<void> take_turn(const std::string& name, const store::Lease& lease,
                         const std::stop_token& stop);
  Result<bool> is_still_wanted(const volumes::Volume& volume);

  store::Store& store_;
  backends::Ground& host_;
  const NfsStorage nfs_;
  std::shared_ptr<store::Lease> lease_;
  std::map<std::string, Started> started_;  // by the jobs' keys
  Jobs jobs_;                               // last: its threads use the rest
};

}  // namespace claimfs::control
