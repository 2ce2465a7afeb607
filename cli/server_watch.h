#pragma once

#include <chrono>
#include <map>
#include <string>

#include "control/event_recorder.h"
#include "fs/tree.h"

namespace claimfs::cli {

// Says by events on the claims when the server of a volume stops answering, and when it answers
// again. The reasons are those of Kubernetes' external health monitor, the messages the kernel's
// NFS client's. Used by one thread.
class ServerWatch {
 public:
  using Clock = std::chrono::steady_clock;

  // A server that has answered nothing for so long is told of: longer than what a disk that is
  // busy makes anybody wait.
  static constexpr std::chrono::seconds kLong{5};

  explicit ServerWatch(control::EventRecorder& events) : events_(events) {}

  // To be called every second or so.
  void look(const fs::Tree::Claims& claims, Clock::time_point now);

 private:
  control::EventRecorder& events_;
  std::map<std::string, std::string> silent_;  // claims by uid, whom they wait for
};

}  // namespace claimfs::cli
