#pragma once

#include <memory>
#include <utility>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

// A directory mostly has room for one more name, so that the last blocks of a volume do, whatever
// the worst case is.
template <class T, class Make>
void NfsBackend::in_room_for(NewName name, const TicketPointer& ticket, Answer<T> answer,
                             Make make) {
  if (!accounting_) return make(std::move(answer));
  const std::uint64_t wanted = accounting_->slop() + name.own_bytes;
  auto begin = [this, ticket, name, make = std::move(make),
                answer = std::move(answer)](Result<Reservation> room) mutable {
    if (!room) return answer.refuse(room.error());
    if (room->bytes() < kBlockBytes + name.own_bytes)
      return answer.refuse(accounting_->refuse_for_room().value());
    ticket->room.emplace(std::move(*room));
    make(Answer<T>([this, ticket, name, answer = std::move(answer)](Result<T> made) mutable {
      if constexpr (std::is_same_v<T, Entry>)
        if (made && name.is_of_something_new) has_made(*ticket, *made);
      ticket->room.reset();
      return answer.complete(std::move(made));
    }));
  };
  if (Reservation at_hand = accounting_->room_at_hand(wanted); at_hand.bytes() == wanted)
    return begin(std::move(at_hand));
  auto later = std::make_shared<decltype(begin)>(std::move(begin));
  wait_for_room(ticket, wanted, [later](Result<Reservation> room) { (*later)(std::move(room)); });
}

}  // namespace claimfs::backends::nfs
