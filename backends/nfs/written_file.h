#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/nfs/call.h"
#include "backends/nfs/file_charge.h"
#include "backends/nfs/file_handle.h"
#include "backends/nfs/kept_changes.h"
#include "backends/nfs/pending_writes.h"
#include "backends/nfs/session.h"

namespace claimfs::backends::nfs {

// What the files of one volume that are written to share.
struct WrittenVolume {
  WrittenVolume(std::shared_ptr<Session> to, std::size_t write_size,
                std::optional<Clock::duration> soft, std::shared_ptr<Accounting> whose = nullptr)
      : session(std::move(to)),
        soft_deadline(soft),
        accounting(std::move(whose)),
        spare(std::make_shared<SpareBuffers>(write_size, kMostSpare)) {}

  static constexpr std::size_t kMostSpare = 32;
  // Beyond this, writers wait for the server as with O_SYNC.
  static constexpr std::uint64_t kMostHeldBytes = 128U << 20U;

  const std::weak_ptr<Session> session;
  const std::optional<Clock::duration> soft_deadline;
  const std::shared_ptr<Accounting> accounting;  // null: nothing is accounted
  const std::shared_ptr<SpareBuffers> spare;
  std::atomic<std::uint64_t> held_bytes{0};
};

// A file's data on its way to the server: performs what PendingWrites decides, and answers those
// who wait for it. Shared by all opens of the file and by its calls in flight. Thread-safe; nothing
// blocks.
class WrittenFile : public std::enable_shared_from_this<WrittenFile> {
 public:
  WrittenFile(std::shared_ptr<WrittenVolume> volume, const FileHandle& handle);
  ~WrittenFile();

  // Copies the data, and answers at once, unless writers have to wait for the server now. At
  // `offset`, or at the end of the file, whose size at the server this is.
  struct Place {
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> append_to{};
  };
  // What pays for it, where that is accounted: filled up with what is at hand. Written is what it
  // is enough for, from the beginning, or all or nothing.
  struct Room {
    Reservation& reserved;
    bool must_be_enough = false;
  };
  // False when there is no room: nothing has happened, and the answer is still to be given.
  bool write(const std::shared_ptr<Ticket>& ticket, std::span<const std::byte> data, Place place,
             Room room, WriteErrors::Cursor& cursor, Answer<std::size_t>& answer);
  // The room that writing there takes at worst, with what has to be over.
  std::uint64_t price(Place place, std::size_t size);
  // Something is kept for it that a flush gives back.
  bool has_set_aside();

  // Answers when all that was written before is on the server's disk, or has failed: with the
  // error, if the cursor's open has not been told.
  void flush(const std::shared_ptr<Ticket>& ticket, WriteErrors::Cursor* cursor,
             Answer<void> answer);

  WriteErrors::Cursor open();
  // An open has gone, perhaps without close(2): flushes, and nobody waits.
  void closed();

  // It was made by an open of it, on a volume that nobody else changes: that is what the server
  // said of it. Then attributes may be set here, to be sent behind what was written: answers with
  // what they are now, if they may.
  void made(const Identity& maker, const Attributes& attributes);
  std::optional<Attributes> keep(const Identity& who, const AttributeChanges& changes);
  // Some are kept, which others ought to see before they ask the server.
  bool has_kept_changes();
  void attributes_were_set();

  // What would be lost if the file were given up now, and what was, if nobody was told of it.
  struct Loss {
    std::uint64_t bytes = 0;
    bool has_changes = false;  // of attributes
    int error = 0;             // of what was lost already
  };
  Loss loss();

  // What a reader sees of [offset, offset + size) that the server may not have, to be asked for
  // before the server is, and laid over its answer.
  struct View {
    Overlay overlay;
    std::uint64_t end = 0;  // of the file, as far as is known here
  };
  std::optional<View> view(std::uint64_t offset, std::size_t size);  // none: nothing is held
  // How often it was written to, if the server has all of that.
  std::optional<std::uint64_t> settled_writes();
  void lay_over(const View& view, std::uint64_t offset, std::span<std::byte> contents);

  // The server's word on the file, which was asked for at that time, with what is newer here.
  void correct(Attributes& attributes, Clock::time_point asked_at);
  // The size is to be set: `go` is called with 0 when the server may be asked, by SETATTR, and with
  // an error if the ticket ends before. What was written behind the size, and is not on its way, is
  // not sent until that has ended, and never if it succeeded.
  void set_size(const std::shared_ptr<Ticket>& ticket, std::uint64_t size,
                std::function<void(int error)> go);
  // What became of it, and what the file occupies now, if the server has said. Also after a SETATTR
  // that was not announced: everything had been flushed.
  void size_was_set(std::uint64_t size, std::optional<std::uint64_t> used);
  void size_was_not_set();
  // Whether the server has to be asked what it occupies before it is truncated.
  bool needs_word();
  // What the server says that it occupies has not changed since it was asked.
  bool is_unchanged_since(Clock::time_point asked_at);
  // It is gone from the server, where it occupied so much.
  void was_removed(std::uint64_t used, Accounting::Since since);
  // By the server's last word on it that was corrected; true while there is none.
  bool may_have_set_id() const { return may_have_set_id_.load(std::memory_order_relaxed); }

 private:
  struct Waiter {
    PendingWrites::Token token = 0;
    std::uint64_t changes = 0;            // up to which
    std::function<void(int error)> done;  // 0, or why it waits no more
  };
  struct Truncation {
    std::uint64_t number = 0;
    std::uint64_t size = 0;
    std::function<void(int error)> go;
    bool has_begun = false;
    bool is_sent = false;
  };
  // What was decided under the lock, to be done without it.
  struct Steps {
    std::vector<PendingWrites::Write> writes;
    bool has_commit = false;
    std::optional<KeptChanges::Sending> changes;
    std::vector<std::function<void(int)>> done;
  };

  // These under mutex_.
  Steps decide();
  void was_taken(std::uint64_t end);
  std::size_t pay(ByteRange range, Room room);
  void account_for(ByteRange taken, const post_op_attr& after);
  void account_for(const post_op_attr& after, Clock::time_point asked_at);
  void tell_charge(std::uint64_t used, std::uint64_t size, Clock::time_point asked_at);

  void perform(Steps steps);
  void send(const PendingWrites::Write& write);
  void send_commit();
  void send_changes(const KeptChanges::Sending& sending);
  template <class P, class Fill, class Then>
  void submit(std::shared_ptr<Ticket> ticket, Fill fill, Then then);
  std::shared_ptr<Ticket> ticket_of_ours(std::optional<Identity> who = {});
  void decide_truncation(Steps& steps);                // under mutex_
  void decide_changes(Steps& steps);                   // under mutex_
  void end_truncation(PendingWrites::Truncation how);  // under mutex_
  void give_up_truncation(std::uint64_t number, int error);
  PendingWrites::Token begin_flush();  // under mutex_
  void wait_for(const std::shared_ptr<Ticket>& ticket, Waiter waiter);
  void add_what_is_newer(Attributes& attributes, Clock::time_point asked_at);  // under mutex_
  void push_soon();
  // Changes the state, and does what has become possible.
  template <class Change>
  void after(Change change);

  const std::shared_ptr<WrittenVolume> volume_;
  const FileHandle handle_;

  std::mutex mutex_;
  // The rest is guarded by it.
  PendingWrites pending_;
  KeptChanges kept_;
  std::optional<PendingWrites::Token> kept_behind_;  // when they may be sent; none: not yet
  std::optional<FileCharge> charge_;                 // none: nothing is accounted
  std::uint64_t writes_ = 1;                         // and one more
  Identity writer_;                                  // the last one: on whose behalf data goes
  timespec written_at_{};
  // What the server has taken in, lately: answers to who asked before need not know of it.
  std::uint64_t taken_end_ = 0;
  Clock::time_point taken_at_{};
  Clock::time_point truncated_at_{};
  Clock::time_point mode_asked_at_{};
  std::list<Waiter> waiters_;
  std::list<Truncation> truncations_;  // in turn
  std::uint64_t next_truncation_ = 1;
  std::size_t opens_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t counted_bytes_ = 0;  // of this file, in the volume's
  bool is_push_due_ = false;

  std::atomic<bool> may_have_set_id_{true};
};

template <class P, class Fill, class Then>
void WrittenFile::submit(std::shared_ptr<Ticket> ticket, Fill fill, Then then) {
  auto call = make_call<P>(std::move(ticket), std::move(fill), std::move(then));
  const auto session = volume_->session.lock();
  if (!session) return call->fail(EIO);
  // Many WRITEs are in flight together; what follows upon a reply waits for nothing else.
  if constexpr (std::is_same_v<P, Write>)
    session->submit_elsewhere(std::move(call));
  else
    session->submit(std::move(call));
}

template <class Change>
void WrittenFile::after(Change change) {
  Steps steps;
  {
    std::scoped_lock lock(mutex_);
    change();
    steps = decide();
  }
  perform(std::move(steps));
}

// The written files of a volume, by handle.
class WrittenFiles {
 public:
  // The one that there is, or null; or a new one.
  std::shared_ptr<WrittenFile> find(const FileHandle& handle) const;
  std::shared_ptr<WrittenFile> get(const FileHandle& handle,
                                   const std::shared_ptr<WrittenVolume>& volume);
  std::vector<std::shared_ptr<WrittenFile>> all() const;
  // Has it stay a while after its last close: answers to who asked before may be on their way.
  void keep(std::shared_ptr<WrittenFile> closed);
  void let_go();

 private:
  static constexpr std::size_t kMostKept = 256;
  struct Known {
    ByHandle<std::weak_ptr<WrittenFile>> files;
    std::size_t sweep_at = 64;  // so many: those that are over are dropped
    std::deque<std::shared_ptr<WrittenFile>> kept;
  };
  std::atomic<bool> has_any_{false};
  Guarded<Known> known_;
};

}  // namespace claimfs::backends::nfs
