#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "backends/capacity_account.h"
#include "backends/nfs/file_handle.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// The account of a directory of a server, by what the server says that files occupy. Nobody waits
// here: whoever finds no credit is called by a thread of its own, which asks the shared bound.
class Accounting final : public CapacityAccount {
 public:
  using CapacityAccount::CapacityAccount;
  ~Accounting() override { end(); }

  Result<void> start();
  void end();

  // Room as there is now, without asking anybody. Before it runs out more is asked for, so that a
  // stream of writes does not wait for that.
  Reservation room_at_hand(std::uint64_t wanted) {
    Reservation room(ledger_);
    room.fill(wanted);
    if (ledger_.credit() < kPlenty / 2 && has_plenty()) ask_ahead();
    return room;
  }
  // As reserve(), which may wait: called once, later, on the account's own thread.
  using Use = std::function<void(Result<Reservation>)>;
  void when_there_is_room(std::uint64_t wanted, std::uint64_t least, Use use);

  // Which recount the bound rests upon. What was known to be there before another one is not taken
  // off again when it goes: that count may have missed it already.
  struct Since {
    std::uint64_t recounts = 0;
  };
  Since now();
  // Something has grown, paid for by what was set aside for it, or by what its operation holds.
  void grew(std::uint64_t bytes, std::uint64_t set_aside);
  void grew(std::uint64_t bytes, Reservation& room);
  void shrank(std::uint64_t bytes, Since known);
  // See CapacityLedger.
  void set_aside(std::uint64_t bytes) { ledger_.set_aside(bytes); }
  void take_back(std::uint64_t bytes);
  void lose(std::uint64_t bytes) { ledger_.lose(bytes); }

  // What a reply says of a directory in which a name was made: how much that has grown.
  std::uint64_t told(const FileHandle& directory, const wcc_data& change);
  // A directory that was made, and occupies so much.
  void directory_made(const FileHandle& directory, std::uint64_t used);

  // A name that is being moved, from before it is asked for until it is answered: a count may miss
  // the file, or all that is below.
  class Moving {
   public:
    explicit Moving(std::shared_ptr<Accounting> accounting);  // null: nobody counts
    Moving(Moving&&) = default;
    Moving& operator=(Moving&&) = delete;
    ~Moving();

   private:
    std::shared_ptr<Accounting> accounting_;
  };

 private:
  struct Request {
    std::uint64_t wanted = 0;
    std::uint64_t least = 0;
    Use use;  // null: more is wanted for later
  };

  void serve();
  void ask_ahead();

  struct Directory {
    std::uint64_t used = 0;
    std::uint64_t recounts = 0;
  };
  Guarded<ByHandle<Directory>> directories_;  // by handle; not all

  std::atomic<bool> is_asked_ahead_{false};

  std::mutex mutex_;
  std::condition_variable asked_;
  // Guarded by it:
  std::deque<Request> requests_;
  bool is_serving_ = false;
  std::thread server_;
};

}  // namespace claimfs::backends::nfs
