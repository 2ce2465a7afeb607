#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

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
  // The same for many, in one transaction where the store allows it.
  void record_all(const std::vector<volumes::Notice>& notices);

  // Removes events that are older than an hour, as Kubernetes does, and the oldest of more than
  // 20,000. Asks the store only when there can be any.
  void expire();

 private:
  struct Known {
    volumes::ObjectKey event;
    std::int64_t next_write = 0;
    std::int64_t pause_seconds = 0;
  };
  using Identity = std::tuple<volumes::ObjectKey, std::string, std::string, std::string,
                              std::string>;  // about, uid, reason, message, from
  struct State {
    bool is_loaded = false;
    std::map<Identity, Known> known;
    std::int64_t next_expiry = 0;  // when the oldest event can be too old
    std::size_t count = 0;         // of events in the store, about
  };

  Identity identity_of(const volumes::Notice& notice) const;
  void load();
  std::vector<std::pair<volumes::Notice, std::optional<volumes::ObjectKey>>> due(
      const std::vector<volumes::Notice>& notices);
  // A repetition of a known event, or a new one, which has no resourceVersion yet.
  volumes::Object event_of(const volumes::Notice& notice,
                           const std::optional<volumes::ObjectKey>& known);
  volumes::Object first(const volumes::Notice& notice, std::int64_t now) const;
  void remember(const volumes::Notice& notice, const volumes::ObjectKey& event);

  store::Store& store_;
  Clock clock_;
  std::string component_;
  std::string host_;
  Guarded<State> state_;
};

}  // namespace claimfs::control
