#include "store/sqlite_watch.h"

#include <algorithm>

namespace claimfs::store {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Result<std::unique_ptr<Watch>> SqliteWatch::open(const StateFiles& files, Version from,
                                                 Version kept_changes, milliseconds slow_look) {
  // Listens before its first look: what is committed between the two rings.
  std::unique_ptr<DoorbellListener> listener = TRY(DoorbellListener::open(files));
  Connection connection = TRY(Connection::open(files, kept_changes));
  return std::unique_ptr<Watch>(
      new SqliteWatch(std::move(connection), std::move(listener), from, slow_look));
}

void SqliteWatch::skip(const Written& own) {
  if (own.before < own.after) own_[own.before] = own.after;
}

Result<std::vector<Change>> SqliteWatch::next(milliseconds timeout) {
  constexpr milliseconds kLongest =
      std::chrono::hours(24 * 365);  // now + timeout must not overflow
  const auto deadline = steady_clock::now() + std::clamp(timeout, milliseconds(0), kLongest);
  for (;;) {
    // A look is a query for the newest version: no dearer than PRAGMA data_version, and it cannot
    // be fooled.
    TRY_VOID(connection_.end_dead_sessions());
    while (!own_.empty() && own_.begin()->first <= position_) {
      position_ = std::max(position_, own_.begin()->second);
      own_.erase(own_.begin());
    }
    std::vector<Change> changes = TRY(connection_.read(
        [&] { return connection_.history().after(connection_.database(), position_); }));
    if (!changes.empty()) {
      position_ = changes.back().version;
      return changes;
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) return changes;
    if (listener_->wait(std::min(left, slow_look_)) == DoorbellListener::Heard::Wake)
      return changes;
  }
}

}  // namespace claimfs::store
