#pragma once

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "backends/nfs/call_handles.h"
#include "backends/nfs/procedures.h"
#include "backends/nfs/server_handles.h"
#include "backends/nfs/status.h"
#include "backends/nfs/ticket.h"
#include "base/result.h"

namespace claimfs::backends::nfs {

// One call to a server, until it has its reply: kept so that it can be sent again. Belongs to its
// connection: everything here is done by whoever has that in its hands.
class Call {
 public:
  explicit Call(std::shared_ptr<Ticket> ticket) : ticket_(std::move(ticket)) {}
  virtual ~Call() = default;

  // Sends it by this number. False: its arguments cannot be encoded.
  virtual bool send(RpcStream& to, std::uint32_t xid) = 0;
  enum class After {
    Done,
    SendAgain,  // when it does not wait: groups, or a handle, are others now
    SendLater,  // the server asked for a moment
  };
  // Hands the reply on, which is valid during the call only.
  virtual After replied(RpcReply& reply) = 0;
  virtual void fail(int errno_code) = 0;

  // It is never sent: its ticket's deadline or interruption is what it is for.
  virtual bool is_timer() const { return false; }

  // Whether somebody still waits for it; otherwise it is dropped without a word.
  virtual bool is_wanted() const { return true; }
  // Not to be sent yet: a handle that it names is just being found again.
  virtual bool waits() const { return false; }

  Ticket& ticket() { return *ticket_; }

  ServerHandles* handles = nullptr;  // its session's; null: it names files as the server does
  // Where the data of a READ may be received, until it has been answered: the same each time that
  // it is asked. Empty, or null: anywhere. They need not: the reply says where they are.
  std::function<std::span<std::byte>()> place{};

  // What the connection notes of it.
  bool is_sent = false;   // on the present connection
  bool was_sent = false;  // on an earlier one, too: what it asks for may be done already
  Clock::time_point sent_at{};
  Clock::time_point not_before{};

 private:
  std::shared_ptr<Ticket> ticket_;
};

// A call of procedure P: `fill(Arguments&)` sets its arguments, as often as it is sent, to what
// `fill` owns; `then(Result<Reply*>, was_sent_before)` is called once. A status that is not NFS3_OK
// is an error there.
template <class P, class Fill, class Then>
class CallOf final : public Call {
 public:
  CallOf(std::shared_ptr<Ticket> ticket, Fill fill, Then then)
      : Call(std::move(ticket)), fill_(std::move(fill)), then_(std::move(then)) {}

  bool send(RpcStream& to, std::uint32_t xid) override {
    typename P::Arguments arguments{};
    fill_(arguments);
    std::array<FileHandle, 2> theirs;  // until it is encoded
    if constexpr (HasStatus<typename P::Reply>) {
      at_change_ = handles ? handles->changes() : 0;
      if (at_change_ != 0)
        for_each_handle(arguments, [&, next = theirs.begin()](nfs_fh3& handle) mutable {
          *next = handles->theirs(FileHandle(handle));
          handle = (next++)->raw();
        });
    }
    return to.send(
        P::call(xid, ticket().identity), [&](ZDR* zdr) { return P::encode(zdr, arguments); },
        P::data(arguments));
  }

  After replied(RpcReply& message) override {
    typename P::Reply reply{};
    if (!message.is_accepted || !P::decode(message, reply)) {
      fail(EIO);
      return After::Done;
    }
    if constexpr (HasStatus<typename P::Reply>) {
      if (reply.status == NFS3ERR_JUKEBOX) return After::SendLater;
      // Groups may have been given since they were looked up.
      if ((reply.status == NFS3ERR_ACCES || reply.status == NFS3ERR_PERM) && !has_looked_anew_) {
        has_looked_anew_ = true;
        if (ticket().identity.pid > 0 && look_up_groups_anew(ticket().identity))
          return After::SendAgain;
      }
      if (errno_of(reply.status) == ESTALE && may_heal()) return After::SendAgain;
      if (reply.status != NFS3_OK) {
        fail(errno_of(reply.status));
        return After::Done;
      }
    }
    then_(Result<typename P::Reply*>(&reply), was_sent);
    return After::Done;
  }

  void fail(int errno_code) override {
    then_(Result<typename P::Reply*>(failure(errno_code)), was_sent);
  }

  bool waits() const override { return stale_ && handles->is_changing(*stale_); }

 private:
  // Once: a handle that is found again and stale again is so for good.
  bool may_heal() {
    if (!handles || stale_) return false;
    typename P::Arguments arguments{};
    fill_(arguments);
    for_each_handle(arguments, [this](nfs_fh3& handle) {
      const FileHandle ours(handle);
      if (!stale_ && handles->may_heal(ours, at_change_))
        stale_ = std::make_unique<FileHandle>(ours);
    });
    return stale_ != nullptr;
  }

  Fill fill_;
  Then then_;
  bool has_looked_anew_ = false;
  std::uint64_t at_change_ = 0;        // of the handles, when it was sent
  std::unique_ptr<FileHandle> stale_;  // that it is sent again for
};

template <class P, class Fill, class Then>
std::unique_ptr<Call> make_call(std::shared_ptr<Ticket> ticket, Fill fill, Then then) {
  return std::make_unique<CallOf<P, Fill, Then>>(std::move(ticket), std::move(fill),
                                                 std::move(then));
}

}  // namespace claimfs::backends::nfs
