#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/clock.h"
#include "control/event_recorder.h"
#include "control/mirror.h"
#include "store/store.h"
#include "volumes/lifecycle.h"

namespace claimfs::control {

// What the controller has decided and not yet written. The mirror shows it already, so that the
// next decision builds on it; all of it is written as one change, compared with what the mirror had
// been told: ten thousand bindings are a few commits, and a crash finds either none or all of a
// step. Used by one thread.
class PendingWrites {
 public:
  PendingWrites(store::Store& store, Mirror& mirror, EventRecorder& events, Clock clock)
      : store_(store), mirror_(mirror), events_(events), clock_(clock) {}

  // The object as it should be; it must be in the mirror. True when something is different.
  bool put(const volumes::ObjectKey& key, volumes::Json document);
  void create(volumes::Object object);
  void remove(const volumes::ObjectKey& key);
  // A step's volume and claim, and what it tells. True when something is different.
  bool perform(const volumes::Step& step);
  void tell(const volumes::Notice& notice) { notices_.push_back(notice); }

  // Time to flush: a larger transaction would keep others waiting for more than a second.
  bool is_full() const { return pending_.size() >= kMost; }
  // Writes everything. Where somebody else was quicker nothing is written, and the mirror shows
  // what the store has: decide again. Errors are the store's.
  Result<void> flush();
  // Forgets everything; the mirror is to be read anew.
  void drop();

 private:
  static constexpr std::size_t kMost = 20'000;
  struct Pending {
    store::Write::Type type = store::Write::Type::Update;
    std::string base;  // the resourceVersion that it is compared with
  };

  template <class... Known>
  bool replace(const volumes::ObjectKey& key, volumes::Json document, const Known&... known);
  void note(const volumes::ObjectKey& key, store::Write::Type type);
  Result<void> read_again();

  store::Store& store_;
  Mirror& mirror_;
  EventRecorder& events_;
  Clock clock_;
  std::map<volumes::ObjectKey, Pending> pending_;
  std::vector<volumes::Notice> notices_;
};

}  // namespace claimfs::control
