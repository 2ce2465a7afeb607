#pragma once

#include <cerrno>
#include <type_traits>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

template <class P, class Part, class Fill>
void NfsBackend::make(TicketPointer ticket, NfsInode& directory, std::string_view name, Fill fill,
                      Part part, Answer<Entry> answer) {
  std::string text(name);
  const FileHandle parent = directory.handle();
  ask<P>(
      ticket,
      [parent, text, fill = std::move(fill)](typename P::Arguments& to) {
        to.where = place(parent, text);
        fill(to);
      },
      [this, ticket, parent, text, part, change = DirectoryChange(directory.news(), name),
       answer = std::move(answer)](Result<typename P::Reply*> reply, bool was_sent_before) mutable {
        // The first sending made it, and its reply was lost.
        if (!reply && reply.error().code == EEXIST && was_sent_before)
          return look_up(ticket, parent, std::move(text), std::move(answer));
        if (!reply) return answer.refuse(reply.error());
        const auto& made = part(**reply);
        end(change, made.dir_wcc);
        // Where nobody else puts anything into a directory, it is known from its beginning.
        const bool is_known = std::is_same_v<P, MakeDirectory> && options_.exclusive;
        answer_entry(ticket, parent, std::move(text), handle_of(made.obj),
                     told(made.obj_attributes),
                     is_known ? as_new(std::move(answer)) : std::move(answer));
      });
}

}  // namespace claimfs::backends::nfs
