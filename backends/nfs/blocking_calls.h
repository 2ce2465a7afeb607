#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "backends/nfs/session.h"

namespace claimfs::backends::nfs {

// Calls to a server, on root's behalf where nobody else is named, one after the other: each blocks
// its thread until the reply. For jobs that have a thread of their own.
class BlockingCalls {
 public:
  // By a connection of their own, with half a minute for each.
  explicit BlockingCalls(const Connection::Settings& settings)
      : session_(std::make_shared<Session>(settings, 1)), patience_(kPatience) {}
  // By those of a session; without patience they wait as long as that lasts.
  BlockingCalls(std::shared_ptr<Session> session, std::optional<Clock::duration> patience)
      : session_(std::move(session)), patience_(patience) {}

  // `fill` as for CallOf; `take` makes the result of a reply that is NFS3_OK, of which nothing is
  // kept: a value. ETIMEDOUT when the server does not answer.
  template <class P, class Fill, class Take>
  auto ask(Fill fill, Take take, const Identity& who = {})
      -> Result<std::invoke_result_t<Take, typename P::Reply&>> {
    using Taken = std::invoke_result_t<Take, typename P::Reply&>;
    auto ticket = std::make_shared<Ticket>();
    ticket->identity = who;
    if (patience_) ticket->deadline = Clock::now() + *patience_;
    std::promise<Result<Taken>> promise;
    auto answered = promise.get_future();
    session_->submit(make_call<P>(
        std::move(ticket), std::move(fill), [&](Result<typename P::Reply*> reply, bool) {
          promise.set_value(reply ? Result<Taken>(take(**reply)) : failure(reply.error()));
        }));
    return answered.get();
  }
  // The same where the reply says nothing.
  template <class P, class Fill>
  Result<void> tell(Fill fill) {
    const auto told = ask<P>(std::move(fill), [](typename P::Reply&) { return true; });
    return told ? Result<void>() : failure(told.error());
  }

 private:
  // A job that fails is tried again later.
  static constexpr std::chrono::seconds kPatience{30};

  const std::shared_ptr<Session> session_;
  const std::optional<Clock::duration> patience_;
};

}  // namespace claimfs::backends::nfs
