#pragma once

#include <chrono>
#include <map>
#include <memory>

#include "store/connection.h"
#include "store/doorbell.h"
#include "store/store.h"

namespace claimfs::store {

// Follows the change log over a connection of its own. What rings the doorbell is seen at once;
// what does not (its writer died between commit and ring, inotify ran out) within `slow_look`.
class SqliteWatch final : public Watch {
 public:
  static Result<std::unique_ptr<Watch>> open(const StateFiles& files, Version from,
                                             Version kept_changes,
                                             std::chrono::milliseconds slow_look);

  Result<std::vector<Change>> next(std::chrono::milliseconds timeout) override;
  void skip(const Written& own) override;
  void wake() override { listener_->wake(); }

 private:
  SqliteWatch(Connection connection, std::unique_ptr<DoorbellListener> listener, Version from,
              std::chrono::milliseconds slow_look)
      : connection_(std::move(connection)),
        listener_(std::move(listener)),
        slow_look_(slow_look),
        position_(from) {}

  Connection connection_;
  const std::unique_ptr<DoorbellListener> listener_;
  const std::chrono::milliseconds slow_look_;
  Version position_;                // of the last change that was told
  std::map<Version, Version> own_;  // changes to leave out: after the first, up to the second
};

}  // namespace claimfs::store
