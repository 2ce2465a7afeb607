#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/nfs/connection.h"
#include "backends/nfs/file_handle.h"
#include "volumes/nfs_options.h"

namespace claimfs::backends::nfs {

// What a server said of an export when it was mounted.
struct Export {
  FileHandle root;
  fattr3 root_attributes{};
  std::uint32_t read_size = 0;   // bytes in a READ at most
  std::uint32_t write_size = 0;  // and in a WRITE
  std::uint64_t longest_name = 255;
  std::uint64_t largest_file = 0;
};

struct MountedExport {
  Export found;
  Connection::Settings connection;  // to its server
};

// Asks for the export's root and limits. Blocks until `deadline` at most, and as long as the
// resolver does. The error's context is what mount.nfs(8) would say.
Result<MountedExport> mount_export(const volumes::NfsOptions& options, Clock::time_point deadline);

// The connections to the server of one volume.
class Session {
 public:
  Session(const Connection::Settings& settings, int connections);
  ~Session() { stop(); }

  // Fails what waits, now and from now on, and ends the threads. Not from one of theirs.
  void stop();

  // Sends a call by the connection that the thread serves, else as submit_elsewhere().
  void submit(std::unique_ptr<Call> call);
  // By the one that waits for the fewest replies: one caller alone stays with the same thread, and
  // many, or the pieces of one request, use all.
  void submit_elsewhere(std::unique_ptr<Call> call);

  // For calls that nobody waits for; drain() does, for so long at most. `then(Result<Reply*>)`.
  template <class P, class Fill, class Then>
  void submit_in_background(const Identity& identity, Fill fill, Then then);
  void drain(Clock::duration patience);

  // What its server calls files by, in all calls from here. Whoever ends a change of one wakes the
  // calls that wait for that.
  ServerHandles& handles() { return handles_; }
  void wake();

  // Has a ticket given up when its caller is interrupted.
  void let_interrupt(const std::shared_ptr<Ticket>& ticket, const Caller& caller);

  // Since when a connection has waited for the server in vain.
  std::optional<Clock::time_point> silent_since() const;

 private:
  ServerHandles handles_;  // outlives the connections' calls
  // Shared with those who send: the reply may come, and the session go, before they are done.
  std::vector<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<std::vector<std::shared_ptr<Connection::Doorbell>>> doorbells_;

  // Shared with the calls, which may end when this has.
  struct Background {
    std::mutex mutex;
    std::condition_variable is_less;
    int count = 0;
  };
  std::shared_ptr<Background> background_ = std::make_shared<Background>();
};

template <class P, class Fill, class Then>
void Session::submit_in_background(const Identity& identity, Fill fill, Then then) {
  auto ticket = std::make_shared<Ticket>();
  ticket->identity = identity;
  {
    std::scoped_lock lock(background_->mutex);
    ++background_->count;
  }
  submit(make_call<P>(
      std::move(ticket), std::move(fill),
      [background = background_, then = std::move(then)](Result<typename P::Reply*> reply, bool) {
        then(std::move(reply));
        std::scoped_lock lock(background->mutex);
        --background->count;
        background->is_less.notify_all();
      }));
}

}  // namespace claimfs::backends::nfs
