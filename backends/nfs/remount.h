#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "backends/nfs/session.h"

namespace claimfs::backends::nfs {

// Finds the root of a volume's export again when its server does not know it any more: a server
// that was restored, or has got another disk, has the same paths by other handles. Asks mountd, as
// mounting did, on a thread of its own.
class Remount {
 public:
  // `found` is told, on that thread, of a root that is another one than before; it has become the
  // session's by then.
  Remount(volumes::NfsOptions options, const FileHandle& root, Session& session,
          std::function<void(const Export&)> found);
  Remount(const Remount&) = delete;
  // Waits for an attempt that is under way, some seconds at most. Not before the session has
  // stopped.
  ~Remount() = default;

 private:
  struct State {
    bool is_asking = false;
    Clock::duration pause{};  // after an attempt that did not help
    Clock::time_point not_before{};
  };

  bool begin();
  void run(const std::stop_token& stop);
  bool ask();

  const volumes::NfsOptions options_;
  const FileHandle root_;
  Session& session_;
  const std::function<void(const Export&)> found_;

  std::mutex mutex_;
  std::condition_variable_any has_begun_;
  State state_;          // guarded by mutex_
  std::jthread thread_;  // made by the first begin()
};

}  // namespace claimfs::backends::nfs
