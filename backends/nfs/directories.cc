#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

constexpr std::uint32_t kNameBytes = 64U << 10U;  // of names and cookies in one reply
constexpr std::uint32_t kReplyBytes = 256U << 10U;

NfsDirectory& directory_of(File& file) { return static_cast<NfsDirectory&>(file); }

}  // namespace

// One request's reading. It begins in what was read last, and asks the server for more as long as
// the sink has room.
struct NfsBackend::Listing {
  TicketPointer ticket;
  NfsDirectory& directory;
  std::uint64_t cursor = 0;
  DirectorySink& sink;
  Answer<void> answer;
  bool has_given = false;
  bool has_begun_anew = false;  // after the server forgot the cookie's verifier

  // Gives what lies behind the cursor. False: the sink is full, or this was all.
  bool give(const NfsDirectory::Batch& batch, const HiddenNames& hidden) {
    auto next = batch.names.begin();
    if (cursor != batch.before) {
      next = std::ranges::find(batch.names, cursor, &NfsDirectory::Name::cookie);
      if (next != batch.names.end()) ++next;
    }
    for (; next != batch.names.end(); ++next) {
      if (!hidden.contains(directory.handle(), next->name) && !add(*next)) return false;
      cursor = next->cookie;
    }
    return !batch.is_last;
  }

  bool add(const NfsDirectory::Name& name) {
    const bool is_dots = name.name == "." || name.name == "..";
    const auto& attributes = name.attributes;
    std::optional<Entry> entry;
    if (sink.wants_attributes() && !is_dots && name.handle && attributes)
      entry = Entry{std::make_unique<NfsInode>(name.handle, attributes->mode), *attributes};
    const unsigned char type = is_dots      ? static_cast<unsigned char>(DT_DIR)
                               : attributes ? static_cast<unsigned char>(IFTODT(attributes->mode))
                                            : static_cast<unsigned char>(DT_UNKNOWN);
    if (!sink.add(name.name, attributes && !is_dots ? attributes->device : directory.device(),
                  attributes && !is_dots ? attributes->ino : name.fileid, type, name.cookie,
                  std::move(entry)))
      return false;
    has_given = true;
    return true;
  }

  static bool holds(const NfsDirectory::Batch& batch, std::uint64_t cookie) {
    return cookie == batch.before ||
           std::ranges::find(batch.names, cookie, &NfsDirectory::Name::cookie) != batch.names.end();
  }
};

void NfsBackend::open_directory(const Caller& caller, Inode& inode,
                                Answer<std::unique_ptr<File>> answer) {
  NfsInode& directory = nfs(inode);
  if (!directory.is_directory()) return answer.refuse(ENOTDIR);
  TicketPointer ticket = ticket_for(caller);
  if (const auto last = directory.removed()) {
    answer.complete(std::unique_ptr<File>(
        std::make_unique<NfsDirectory>(FileHandle(), last->device, ticket->identity)));
    return;
  }
  ask<Access>(
      ticket,
      [handle = directory.handle()](ACCESS3args& to) {
        to.object = handle.raw();
        to.access = ACCESS3_READ;
      },
      [this, ticket, handle = directory.handle(), answer = std::move(answer)](
          Result<ACCESS3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        const ACCESS3resok& granted = (*reply)->ACCESS3res_u.resok;
        if ((granted.access & ACCESS3_READ) == 0) return answer.refuse(EACCES);
        const auto attributes = told(granted.obj_attributes);
        answer.complete(std::unique_ptr<File>(std::make_unique<NfsDirectory>(
            handle, attributes ? attributes->device : 0, ticket->identity)));
      });
}

void NfsBackend::read_directory(const Caller& caller, File& file, std::uint64_t cursor,
                                DirectorySink& sink, Answer<void> answer) {
  NfsDirectory& directory = directory_of(file);
  if (!directory.handle()) {  // removed: empty
    answer.complete({});
    return;
  }
  auto listing = std::make_shared<Listing>(
      Listing{ticket_for(caller, directory.opener()), directory, cursor, sink, std::move(answer)});
  read_on(std::move(listing));
}

void NfsBackend::read_on(std::shared_ptr<Listing> listing) {
  NfsDirectory& directory = listing->directory;
  std::shared_ptr<const NfsDirectory::Batch> last;
  {
    std::scoped_lock lock(directory.mutex);
    // Who begins anew sees what has changed.
    if (listing->cursor == 0) directory.last.reset();
    last = directory.last;
  }
  if (last && Listing::holds(*last, listing->cursor)) {
    if (!listing->give(*last, *hidden_names_)) {
      listing->answer.complete({});
      return;
    }
  }
  auto batch = std::make_shared<NfsDirectory::Batch>();
  batch->before = listing->cursor;
  if (last && listing->cursor != 0)
    std::copy(std::begin(last->verifier), std::end(last->verifier), batch->verifier);
  ask<ReadDirectoryPlus>(
      listing->ticket,
      [handle = directory.handle(), batch](READDIRPLUS3args& to) {
        to.dir = handle.raw();
        to.cookie = batch->before;
        std::copy(std::begin(batch->verifier), std::end(batch->verifier), to.cookieverf);
        to.dircount = kNameBytes;
        to.maxcount = kReplyBytes;
      },
      [this, listing, batch](Result<READDIRPLUS3res*> reply, bool) {
        NfsDirectory& read = listing->directory;
        if (!reply) {
          // The cookie's verifier has gone: the server has changed it with the directory. Cookies
          // of most mean the same still.
          const bool has_verifier =
              std::ranges::any_of(batch->verifier, [](char byte) { return byte != 0; });
          if (reply.error().code == EINVAL && has_verifier && !listing->has_begun_anew) {
            listing->has_begun_anew = true;
            {
              std::scoped_lock lock(read.mutex);
              read.last.reset();
            }
            return read_on(listing);
          }
          if (listing->has_given) {  // the error comes again with the next reading
            listing->answer.complete({});
            return;
          }
          return listing->answer.refuse(reply.error());
        }
        const READDIRPLUS3resok& told_of = (*reply)->READDIRPLUS3res_u.resok;
        std::copy(std::begin(told_of.cookieverf), std::end(told_of.cookieverf), batch->verifier);
        batch->is_last = told_of.reply.eof != 0;
        for_each_entry(told_of.reply, [&](const entryplus3& entry) {
          batch->names.push_back(
              {.name = entry.name,
               .fileid = entry.fileid,
               .cookie = entry.cookie,
               .attributes = told(entry.name_attributes),
               .handle = session_->handles().ours(handle_of(entry.name_handle))});
          NfsDirectory::Name& name_there = batch->names.back();
          if (name_there.attributes && name_there.handle)
            name_there.attributes =
                corrected(*listing->ticket, name_there.handle, *name_there.attributes);
        });
        if (batch->names.empty()) batch->is_last = true;
        {
          std::scoped_lock lock(read.mutex);
          read.last = batch;
        }
        if (!listing->give(*batch, *hidden_names_) || listing->has_given) {
          listing->answer.complete({});
          return;
        }
        read_on(listing);  // all of it was hidden
      });
}

// What changes a directory is on the server's disk when it has answered (RFC 1813 4.8).
void NfsBackend::sync_directory(const Caller&, File&, bool, Answer<void> answer) {
  answer.complete({});
}

}  // namespace claimfs::backends::nfs
