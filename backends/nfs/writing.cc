#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

// That of a WRITE, one of a COMMIT, and the first again for what has to be sent once more.
constexpr int kDeadlinesOfFlush = 2;  // beside its own

}  // namespace

// Takes the set-id bits away that the writer may not keep, before he is answered. Servers do that
// themselves for the unprivileged, but not all, and not before they have the data.
Answer<std::size_t> NfsBackend::killing_set_id(TicketPointer ticket, NfsFile& file,
                                               Answer<std::size_t> answer) {
  return [this, ticket, &file, answer = std::move(answer)](Result<std::size_t> wrote) mutable {
    if (!wrote) return answer.complete(std::move(wrote));
    auto answer_with = std::make_shared<Answer<std::size_t>>(std::move(answer));
    const auto ended = [answer_with, size = *wrote](const Result<Attributes>& killed) {
      if (!killed) return answer_with->complete(failure(killed.error()));
      return answer_with->complete(size);
    };
    file.written()->flush(
        ticket, &file.told_errors,
        [this, ticket, handle = file.handle(), answer_with, ended](const Result<void>& flushed) {
          if (!flushed) return answer_with->complete(failure(flushed.error()));
          get(ticket, handle, [this, ticket, handle, ended](Result<Attributes> attributes) {
            if (!attributes) return ended(attributes);
            const mode_t mode = without_set_id(attributes->mode);
            if (mode == attributes->mode) return ended(attributes);
            set(ticket, handle, to_sattr(mode), [ended](Result<Attributes> killed) {
              // Only an owner changes modes. For others it is the server's, as for all its clients.
              if (!killed && (killed.error().code == EPERM || killed.error().code == EACCES))
                return ended(Attributes());
              return ended(killed);
            });
            return true;
          });
          return true;
        });
    return true;
  };
}

void NfsBackend::write(const Caller& caller, File& file, std::span<const std::byte> data,
                       off_t offset, WriteOptions options, Answer<std::size_t> answer) {
  NfsFile& to = nfs(file);
  if (!to.is_writable()) return answer.refuse(EBADF);
  if (offset < 0) return answer.refuse(EINVAL);
  if (data.empty()) {
    answer.complete(std::size_t{0});
    return;
  }
  if (!options.append && export_.largest_file != 0 &&
      static_cast<std::uint64_t>(offset) + data.size() > export_.largest_file)
    return answer.refuse(EFBIG);
  recent_changes_.note(to.handle());
  TicketPointer ticket = ticket_for(caller, to.opener());
  Answer<std::size_t> done = options.kill_set_id && to.written()->may_have_set_id()
                                 ? killing_set_id(ticket, to, std::move(answer))
                                 : std::move(answer);
  if (!options.append) {
    write_within(ticket, to, data, {.offset = static_cast<std::uint64_t>(offset)}, std::move(done));
    return;
  }
  get(ticket, to.handle(),
      [this, ticket, &to, bytes = std::vector<std::byte>(data.begin(), data.end()),
       done = std::move(done)](Result<Attributes> attributes) mutable {
        if (!attributes) return done.complete(failure(attributes.error()));
        write_within(ticket, to, bytes, {.append_to = static_cast<std::uint64_t>(attributes->size)},
                     std::move(done));
        return true;
      });
}

// close(2) and fsync(2): what was written is on the server's disk when they return, or they say
// what became of it. Closing makes it so that whoever opens the file next, anywhere, sees it.
void NfsBackend::flush(const Caller& caller, File& file, Answer<void> answer) {
  NfsFile& closed = nfs(file);
  if (!closed.written()) {
    answer.complete({});
    return;
  }
  written_files_.keep(closed.written()->shared_from_this());
  const TicketPointer ticket = ticket_for(caller, closed.opener());
  // What it waits for has deadlines of its own, by which it is told what failed, once.
  if (const auto soft = soft_deadline()) ticket->deadline += kDeadlinesOfFlush * *soft;
  closed.written()->flush(ticket, &closed.told_errors, std::move(answer));
}

void NfsBackend::sync(const Caller& caller, File& file, bool, Answer<void> answer) {
  NfsFile& synced = nfs(file);
  if (synced.written()) return flush(caller, file, std::move(answer));
  // Opened for reading only: what others have written here.
  if (const auto written = written_files_.find(synced.handle()))
    written->flush(ticket_for(caller, synced.opener()), nullptr, std::move(answer));
  else
    answer.complete({});
}

}  // namespace claimfs::backends::nfs
