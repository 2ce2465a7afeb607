#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "backends/nfs/backend.h"
#include "backends/nfs/making.h"

namespace claimfs::backends::nfs {

namespace {

// What an open for reading or writing has to be granted (RFC 1813 3.3.4).
unsigned rights_for(int flags) {
  const int mode = flags & O_ACCMODE;
  unsigned rights = 0;
  if (mode != O_WRONLY) rights |= ACCESS3_READ;
  if (mode != O_RDONLY) rights |= ACCESS3_MODIFY | ACCESS3_EXTEND;
  return rights;
}

struct Verifier {
  createverf3 bytes;
};

// A server that takes so long for the open is so far away that files are read ahead.
constexpr auto kFar = std::chrono::microseconds(500);

// Tells this creation from all others, also when it has to be sent again.
Verifier new_verifier() {
  thread_local std::mt19937_64 numbers{std::random_device{}()};
  // Servers keep it as two times of 32 bits; some refuse those that are none.
  const std::uint64_t number = numbers() & 0x3fffffff3fffffff;
  Verifier verifier{};
  std::memcpy(verifier.bytes, &number, sizeof verifier.bytes);
  return verifier;
}

}  // namespace

std::unique_ptr<File> NfsBackend::make_file(const Ticket& ticket, const FileHandle& handle,
                                            int flags) {
  const bool is_written = (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
  return std::make_unique<NfsFile>(
      handle, flags, ticket.identity, open_files_,
      is_written ? written_files_.get(handle, written_volume_) : nullptr);
}

void NfsBackend::open(const Caller& caller, Inode& inode, int flags,
                      Answer<std::unique_ptr<File>> answer) {
  if (options_.read_only && (flags & O_ACCMODE) != O_RDONLY) return answer.refuse(EROFS);
  const FileHandle handle = nfs(inode).handle();
  TicketPointer ticket = ticket_for(caller);
  const auto written = written_files_.find(handle);
  if (!written || !written->has_kept_changes()) {
    open_there(std::move(ticket), nfs(inode), flags, std::move(answer));
    return;
  }
  // The server is asked for rights that these may give, or take.
  written->flush(ticket, nullptr,
                 [this, ticket, &inode, flags, written,
                  answer = std::move(answer)](const Result<void>& flushed) mutable {
                   if (!flushed) return answer.complete(failure(flushed.error()));
                   open_there(ticket, nfs(inode), flags, std::move(answer));
                   return true;
                 });
}

void NfsBackend::open_there(TicketPointer ticket, NfsInode& inode, int flags,
                            Answer<std::unique_ptr<File>> answer) {
  const FileHandle& handle = inode.handle();
  // Open from now on: a name that goes meanwhile hides it.
  auto file = make_file(*ticket, handle, flags);
  const unsigned rights = rights_for(flags);
  // Where only we change files the kernel keeps what it has.
  auto pages = options_.exclusive ? nullptr : inode.cached_pages();
  ask<Access>(
      ticket,
      [handle, rights](ACCESS3args& to) {
        to.object = handle.raw();
        // Who may run a file may have it read for that.
        to.access = rights | ACCESS3_EXECUTE;
      },
      [this, ticket, handle, rights, file = std::move(file), pages = std::move(pages),
       asked_at = Clock::now(),
       answer = std::move(answer)](Result<ACCESS3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        if (const auto attributes = told((*reply)->ACCESS3res_u.resok.obj_attributes)) {
          corrected(*ticket, handle, *attributes);  // tells who writes of set-id bits
          if (Clock::now() - asked_at >= kFar)
            nfs(*file).may_read_ahead(static_cast<std::uint64_t>(attributes->size));
          if (pages) {
            timespec wall{};
            ::clock_gettime(CLOCK_REALTIME, &wall);
            nfs(*file).saw(std::move(pages), {*attributes, Clock::now(), wall});
          }
        }
        unsigned granted = (*reply)->ACCESS3res_u.resok.access;
        if ((granted & ACCESS3_EXECUTE) != 0) granted |= ACCESS3_READ;
        if ((granted & rights) != rights) return answer.refuse(EACCES);
        files_ahead_->opened(handle);
        answer.complete(std::move(file));
      });
}

// A creation that is the only one, also when its reply is lost: the verifier is kept with the file
// by the server, which leaves no room for attributes. They follow.
void NfsBackend::create_exclusively(TicketPointer ticket, NfsInode& directory, std::string name,
                                    mode_t mode, Answer<Entry> answer) {
  const FileHandle parent = directory.handle();
  ask<Create>(
      ticket,
      [parent, name, verifier = new_verifier()](CREATE3args& to) {
        to.where = place(parent, name);
        to.how.mode = EXCLUSIVE;
        std::memcpy(to.how.createhow3_u.verf, verifier.bytes, sizeof verifier.bytes);
      },
      [this, ticket, parent, name, mode, change = DirectoryChange(directory.news(), name),
       answer = std::move(answer)](Result<CREATE3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        has_changed(*ticket, parent, change, (*reply)->CREATE3res_u.resok.dir_wcc);
        const FileHandle made = handle_of((*reply)->CREATE3res_u.resok.obj);
        Answer<Entry> made_known = [this, ticket, mode,
                                    answer = std::move(answer)](Result<Entry> entry) mutable {
          if (!entry) return answer.complete(std::move(entry));
          // The verifier stands where the times are.
          AttributeChanges changes;
          changes.mode = mode;
          changes.atime = AttributeChanges::Time{.now = true, .value = {}};
          changes.mtime = changes.atime;
          const FileHandle handle = nfs(*entry->inode).handle();
          set(ticket, handle, to_sattr(changes),
              [inode = std::move(entry->inode),
               answer = std::move(answer)](Result<Attributes> attributes) mutable {
                if (!attributes) return answer.complete(failure(attributes.error()));
                return answer.complete(Entry{std::move(inode), *attributes});
              });
          return true;
        };
        if (!made) return look_up(ticket, parent, std::move(name), std::move(made_known));
        made_known.complete(Entry{std::make_unique<NfsInode>(made, S_IFREG), {}});
      });
}

void NfsBackend::create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                        int flags, Answer<Created> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  TicketPointer ticket = ticket_for(caller);
  NfsInode& directory = nfs(parent);
  Answer<Entry> made = [this, ticket, flags,
                        answer = std::move(answer)](Result<Entry> entry) mutable {
    if (!entry) {
      // Without O_EXCL the kernel looks again, and opens what somebody else has made meanwhile.
      const bool looks_again = entry.error().code == EEXIST && (flags & O_EXCL) == 0;
      return answer.fail(looks_again ? ESTALE : entry.error().code);
    }
    const FileHandle& handle = nfs(*entry->inode).handle();
    auto file = make_file(*ticket, handle, flags);
    if (options_.exclusive && nfs(*file).written())
      nfs(*file).written()->made(ticket->identity, entry->attributes);
    entry->attributes = corrected(*ticket, handle, entry->attributes);
    return answer.complete(Created{std::move(*entry), std::move(file)});
  };
  const mode_t wanted = mode & 07777 & ~caller.umask;
  // Where nobody else makes files the kernel sees to it that this is the only one, and it is made
  // in one step.
  if ((flags & O_EXCL) != 0 && !options_.exclusive)
    return in_room_for(
        NewName{}, ticket, std::move(made),
        [this, ticket, &directory, text = std::string(name), wanted](Answer<Entry> exclusive) {
          create_exclusively(ticket, directory, text, wanted, std::move(exclusive));
        });
  make<Create>(
      ticket, directory, name,
      [attributes = to_sattr(wanted)](CREATE3args& to) {
        to.how.mode = GUARDED;
        to.how.createhow3_u.g_obj_attributes = attributes;
      },
      [](CREATE3res& reply) -> const CREATE3resok& { return reply.CREATE3res_u.resok; },
      std::move(made));
}

void NfsBackend::create_unnamed(const Caller&, Inode&, mode_t, int, Answer<Created> answer) {
  answer.fail(EOPNOTSUPP);
}

void NfsBackend::allocate(const Caller&, File&, int, off_t, off_t, Answer<void> answer) {
  answer.fail(EOPNOTSUPP);
}

// All of a file is data, which lseek(2) allows to say of any.
void NfsBackend::seek(const Caller& caller, File& file, off_t offset, int whence,
                      Answer<off_t> answer) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return answer.refuse(EINVAL);
  if (offset < 0) return answer.refuse(ENXIO);
  get(ticket_for(caller, nfs(file).opener()), nfs(file).handle(),
      [offset, whence, answer = std::move(answer)](Result<Attributes> attributes) mutable {
        if (!attributes) return answer.complete(failure(attributes.error()));
        if (offset >= attributes->size) return answer.fail(ENXIO);
        return answer.complete(whence == SEEK_DATA ? offset : attributes->size);
      });
}

// The kernel copies by reading and writing then.
void NfsBackend::copy_range(const Caller&, File&, off_t, File&, off_t, std::size_t,
                            Answer<std::size_t> answer) {
  answer.fail(EOPNOTSUPP);
}

}  // namespace claimfs::backends::nfs
