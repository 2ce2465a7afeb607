#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "backends/backend.h"
#include "base/result.h"

namespace claimfs::fs {

// That a backend is being started, by somebody else than those who wait for it: a server may be
// silent for long, and whoever is killed meanwhile must not be kept. Thread-safe.
class BackendStart : public std::enable_shared_from_this<BackendStart> {
 public:
  // To be called once.
  void end(Result<void> result);

  // Blocks until it has ended; none: the caller was interrupted before.
  std::optional<Result<void>> wait(const backends::Caller& caller);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Result<void>> result_;
};

}  // namespace claimfs::fs
