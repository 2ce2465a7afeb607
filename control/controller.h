#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "control/clock.h"
#include "control/event_recorder.h"
#include "control/mirror.h"
#include "store/store.h"
#include "volumes/lifecycle.h"

namespace claimfs::control {

// The one loop that binds: list, compare, write, by the decisions of volumes/lifecycle. Every write
// is compare-and-swap and every step can be taken again, so that a crash between any two, or a
// second controller, does no harm.
class Controller {
 public:
  Controller(store::Store& store, Clock clock);

  // Takes steps until nothing changes any more. Errors are the store's.
  Result<void> settle();

  // Settles at every change, as the store's one active controller, until it is asked to stop. Waits
  // while another one holds the name. `holder` is who we are, for people. `report` is told errors
  // of the store, which are tried again.
  void run(std::stop_token stop, const std::string& holder,
           const std::function<void(const Error&)>& report);

 private:
  Result<void> lead(const std::stop_token& stop, const store::Lease& lease);
  Result<void> settle_mirror();
  Result<bool> step_volumes();
  Result<bool> step_claims();
  Result<bool> perform(const volumes::Step& step);
  Result<bool> write(const volumes::ObjectKey& key, volumes::Json document);
  Result<bool> finish(const volumes::ObjectKey& key, volumes::Metadata metadata,
                      bool protection_ends, std::string_view protection);

  store::Store& store_;
  Clock clock_;
  EventRecorder events_;
  Mirror mirror_;
};

}  // namespace claimfs::control
