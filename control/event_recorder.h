#pragma once

#include <map>
#include <string>
#include <tuple>

#include "base/guarded.h"
#include "control/clock.h"
#include "store/store.h"
#include "volumes/lifecycle.h"

namespace claimfs::control {

// Writes what happened as Event objects, a repetition as a count. Repetitions come less and less
// often (at first every 15 s, at last every 5 minutes), so that a claim that waits for days does
// not fill the disk. Thread-safe. What the store refuses is lost: events are for people.
class EventRecorder {
 public:
  // `component` and `host` are the event's source, shown as From.
  EventRecorder(store::Store& store, Clock clock, std::string component, std::string host = {});

  void record(const volumes::Notice& notice);

  // Removes events that are older than an hour, as Kubernetes does.
  void expire();

 private:
  struct Known {
    volumes::ObjectKey event;
    std::int64_t next_write = 0;
    std::int64_t pause_seconds = 0;
  };
  using Identity = std::tuple<volumes::ObjectKey, std::string, std::string,
                              std::string>;  // about, uid, reason, message

  std::optional<volumes::ObjectKey> write(const volumes::Notice& notice,
                                          const std::optional<volumes::ObjectKey>& known);
  volumes::Object first(const volumes::Notice& notice, std::int64_t now) const;
  std::optional<volumes::ObjectKey> find_in_store(const volumes::Notice& notice);

  store::Store& store_;
  Clock clock_;
  std::string component_;
  std::string host_;
  Guarded<std::map<Identity, Known>> known_;
};

}  // namespace claimfs::control
