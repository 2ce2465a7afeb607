#pragma once

#include <string>

#include "base/result.h"
#include "control/event_recorder.h"
#include "control/mirror.h"
#include "store/store.h"
#include "volumes/consumers.h"

namespace claimfs::control {

// In place of Kubernetes' scheduler, for one node: claims whose class waits for their first
// consumer get a volume, or a node to be provisioned on, when there is one here. Several nodes' may
// work on one store: writes are compare-and-swap.
class FirstConsumers {
 public:
  FirstConsumers(store::Store& store, EventRecorder& events, volumes::Node node)
      : store_(store), events_(events), node_(std::move(node)) {}

  // For the pods of this node. What somebody else has changed meanwhile is left for the next look.
  Result<void> look(const Mirror& mirror);

  // For a consumer that is no pod. In the scheduler's words why there is no volume; empty: there
  // is, or will be. Tries again where somebody else was quicker.
  Result<std::string> place(const std::string& name_space, const std::string& claim);

 private:
  // False when somebody else was quicker.
  Result<bool> perform(const Mirror& mirror, const std::vector<volumes::Step>& steps);

  store::Store& store_;
  EventRecorder& events_;
  const volumes::Node node_;
};

}  // namespace claimfs::control
