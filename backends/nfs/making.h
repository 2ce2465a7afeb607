#pragma once

#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

template <class P, class Part, class Fill>
void NfsBackend::make(TicketPointer ticket, const FileHandle& parent, std::string_view name,
                      Fill fill, Part part, Answer<Entry> answer) {
  std::string text(name);
  ask<P>(
      ticket,
      [parent, text, fill = std::move(fill)](typename P::Arguments& to) {
        to.where = place(parent, text);
        fill(to);
      },
      [this, ticket, parent, text, part, answer = std::move(answer)](
          Result<typename P::Reply*> reply, bool was_sent_before) mutable {
        // The first sending made it, and its reply was lost.
        if (!reply && reply.error().code == EEXIST && was_sent_before)
          return look_up(ticket, parent, std::move(text), std::move(answer));
        if (!reply) return answer.refuse(reply.error());
        const auto& made = part(**reply);
        answer_entry(ticket, parent, std::move(text), handle_of(made.obj),
                     told(made.obj_attributes), std::move(answer));
      });
}

}  // namespace claimfs::backends::nfs
