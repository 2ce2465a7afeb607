// Files that are read in order: the server is asked for what follows before it is wanted.

#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

void NfsBackend::ask_for(const FileHandle& handle, std::shared_ptr<AheadPiece> piece) {
  auto call = make_call<Read>(
      piece->ticket(),
      [handle, part = piece->part()](READ3args& to) {
        to.file = handle.raw();
        to.offset = part.offset;
        to.count = static_cast<count3>(part.size);
      },
      [this, piece](Result<READ3res*> reply, bool) {
        if (!reply) return piece->failed(reply.error().code);
        const READ3resok& read = (*reply)->READ3res_u.resok;
        const auto attributes = told(read.file_attributes);
        piece->came({.data = data_of(read, piece->part().size),
                     .is_end = read.eof != 0,
                     .stamp = attributes ? std::optional(stamp_of(*attributes)) : std::nullopt});
      });
  call->place = [piece] { return piece->place(); };
  session_->submit_elsewhere(std::move(call));
}

void NfsBackend::read_in_turn(const Caller& caller, const Identity& opener,
                              std::shared_ptr<FileAhead> ahead, const ReadRange& range,
                              std::uint64_t writes, Answer<std::span<const std::byte>> answer) {
  const FileAhead::Reading reading = ahead->read({.offset = range.offset,
                                                  .size = range.size,
                                                  .writes = writes,
                                                  .opener = opener,
                                                  .soft_deadline = soft_deadline()});
  const auto begun_at = Clock::now();
  // What is wanted goes first.
  if (!reading.found)
    read_from_server(ticket_for(caller, opener), range,
                     [ahead = std::move(ahead), begun_at,
                      answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
                       if (read) ahead->answered(Clock::now() - begun_at);
                       return answer.complete(std::move(read));
                     });
  for (const auto& piece : reading.to_ask) ask_for(range.handle, piece);
  if (!reading.found) return;
  if (!reading.found->is_here()) session_->let_interrupt(reading.found->ticket(), caller);
  reading.found->take({.size = range.size, .room = range.room},
                      [this, caller, opener, range, begun_at, answer = std::move(answer)](
                          Result<std::span<const std::byte>> read) mutable {
                        if (read || read.error().code == EINTR)
                          return answer.complete(std::move(read));
                        TicketPointer ticket = ticket_for(caller, opener);
                        if (const auto soft = soft_deadline()) ticket->deadline = begun_at + *soft;
                        read_from_server(std::move(ticket), range, std::move(answer));
                        return true;
                      });
}

}  // namespace claimfs::backends::nfs
