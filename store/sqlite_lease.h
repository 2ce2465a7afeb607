#pragma once

#include <memory>
#include <string>

#include "base/guarded.h"
#include "store/connection.h"
#include "store/session_lock.h"
#include "store/store.h"

namespace claimfs::store {

// A row in `sessions` and the locked file that proves its process alive.
class SqliteLease final : public Lease {
 public:
  static Result<std::unique_ptr<Lease>> grant(std::shared_ptr<Guarded<Connection>> connection);
  ~SqliteLease() override;

  std::string id() const override { return id_; }
  bool is_held() const override { return lock_.is_held(); }

 private:
  SqliteLease(std::shared_ptr<Guarded<Connection>> connection, std::string id, SessionLock lock)
      : connection_(std::move(connection)), id_(std::move(id)), lock_(std::move(lock)) {}

  const std::shared_ptr<Guarded<Connection>> connection_;
  const std::string id_;
  SessionLock lock_;
};

}  // namespace claimfs::store
