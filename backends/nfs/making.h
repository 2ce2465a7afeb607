#pragma once

#include <cerrno>
#include <type_traits>

#include "backends/nfs/backend.h"
#include "backends/nfs/room.h"

namespace claimfs::backends::nfs {

// What of its own the new thing takes: a directory begins with a block, and a long symlink has one.
template <class P>
constexpr std::uint64_t own_bytes() {
  return std::is_same_v<P, MakeDirectory> || std::is_same_v<P, MakeSymlink> ? kBlockBytes : 0;
}

template <class P, class Part, class Fill>
void NfsBackend::make(TicketPointer ticket, NfsInode& directory, std::string_view name, Fill fill,
                      Part part, Answer<Entry> answer) {
  in_room_for(NewName{.own_bytes = own_bytes<P>()}, ticket, std::move(answer),
              [this, ticket, &directory, text = std::string(name), fill = std::move(fill),
               part](Answer<Entry> made) mutable {
                make_there<P>(ticket, directory, text, std::move(fill), part, std::move(made));
              });
}

template <class P, class Part, class Fill>
void NfsBackend::make_there(TicketPointer ticket, NfsInode& directory, std::string text, Fill fill,
                            Part part, Answer<Entry> answer) {
  const FileHandle parent = directory.handle();
  known_names_.forget(parent, text);
  ask<P>(
      ticket,
      [parent, text, fill = std::move(fill)](typename P::Arguments& to) {
        to.where = place(parent, text);
        fill(to);
      },
      [this, ticket, parent, text, part, change = DirectoryChange(directory.news(), text),
       counted = accounting_ ? accounting_->now() : Accounting::Since(),
       answer = std::move(answer)](Result<typename P::Reply*> reply, bool was_sent_before) mutable {
        // The first sending made it, and its reply was lost.
        if (!reply && reply.error().code == EEXIST && was_sent_before)
          return look_up(ticket, parent, std::move(text), std::move(answer));
        if (!reply) return answer.refuse(reply.error());
        const auto& made = part(**reply);
        has_changed(*ticket, parent, change, made.dir_wcc);
        if constexpr (std::is_same_v<P, MakeDirectory>) has_made_directory(made);
        const FileHandle handle = handle_of(made.obj);
        const auto attributes = told(made.obj_attributes);
        constexpr bool kIsDirectory = std::is_same_v<P, MakeDirectory>;
        if (options_.exclusive && !kIsDirectory && handle && attributes)
          known_names_.learn(parent, text,
                             {.handle = session_->handles().ours(handle),
                              .attributes = *attributes,
                              .asked_at = Clock::now(),
                              .counted = counted});
        // Where nobody else puts anything into a directory, it is known from its beginning.
        const bool is_known = options_.exclusive && kIsDirectory;
        answer_entry(ticket, parent, std::move(text), handle, attributes,
                     is_known ? as_new(std::move(answer)) : std::move(answer));
      });
}

}  // namespace claimfs::backends::nfs
