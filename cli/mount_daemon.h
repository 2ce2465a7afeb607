#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backends/host_path/ground.h"
#include "cli/failure.h"
#include "cli/mount.h"
#include "cli/served_claims.h"
#include "config/config.h"
#include "control/api.h"
#include "control/event_recorder.h"
#include "fs/filesystem.h"
#include "fs/session.h"
#include "store/store.h"

namespace claimfs::cli {

// One mount with everything that keeps it true: store, controller, manifest directories, the tree.
// Lives in a process that has no other threads when it is made.
class MountDaemon {
 public:
  // `reread` yields the configuration again, at SIGHUP, with what was said on the command line laid
  // over it.
  using Reread = std::function<Outcome<config::Config>()>;
  MountDaemon(config::Config config, MountArguments arguments, Reread reread);
  ~MountDaemon();

  // Opens the store, binds what can be bound, mounts, and has had an answer from the mount. On
  // failure nothing is mounted.
  Outcome<void> start();

  // Serves until the mount is gone: by umount, SIGTERM or SIGINT. False when threads hang in dead
  // storage: then the process should end without destroying anything.
  bool serve();

 private:
  Outcome<void> claim_mount_point();
  Outcome<void> register_mount();
  Result<void> note_connection();
  Result<void> attach(const fs::ServedClaim& claim, bool writes, const std::string* consumer,
                      std::vector<std::string> backing);
  Result<void> note_passthrough(const fs::ServedClaim& claim);
  control::Releases::Filesystem release_effects();
  void end_consumer(const std::string& claim_uid, const std::string& consumer,
                    const std::function<void(bool)>& answer) const;
  bool is_consumer_alive(const fs::ServedVolume& volume, const std::string& pod) const;
  void follow_claims(std::stop_token stop);
  void look_around(const std::stop_token& stop);
  void end_attachments();
  Outcome<void> open_filesystem();
  void show(const std::vector<control::BoundClaim>& bound);
  void start_manifests(const std::vector<std::string>& directories);
  void read_signals(const std::stop_token& stop);
  void reload();
  Result<void> delete_claim(const fs::ServedClaim& claim);

  const config::Config config_;  // as it was at the start: what a running mount cannot change
  std::vector<std::string> manifest_directories_;  // the signal thread's, once that runs
  const MountArguments arguments_;
  Reread reread_;

  const std::unique_ptr<backends::Ground> ground_ = backends::host_path_ground();
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::Lease> lease_;  // holds the mount point's name, and the Mount object
  std::string mount_;                    // the Mount object's name
  unsigned connection_ = 0;              // under /sys/fs/fuse/connections
  std::unique_ptr<control::Api> api_;
  std::unique_ptr<control::EventRecorder> events_;
  std::unique_ptr<control::Attachments> attachments_;
  std::unique_ptr<control::Releases> releases_;
  std::unique_ptr<ServedClaims> served_;
  std::unique_ptr<fs::Filesystem> filesystem_;
  std::unique_ptr<fs::Session> session_;

  // Last: they use all of the above, and are joined first.
  std::jthread signals_;
  std::jthread controller_;
  std::jthread manifests_;
  std::jthread claims_;
  std::jthread servers_;
};

}  // namespace claimfs::cli
