#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

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
  bool has_dropped_verifier = false;  // which the server does not accept any more
  // Where the search for the cursor goes on; none: its cookie is good.
  std::optional<std::uint64_t> searched_to{};
  int searches_left = 3;

  // The server does not go on by this cookie, with which verifier ever.
  bool begin_search() {
    if (cursor == 0 || searches_left-- == 0) return false;
    searched_to = 0;
    return true;
  }
  // Where the names behind the cursor begin; none: not here. Cookies count up, or the cursor's own
  // comes before any larger one.
  std::optional<std::size_t> found_in(const NfsDirectory::Batch& batch) const {
    const auto at = std::ranges::find_if(
        batch.names, [this](std::uint64_t cookie) { return cookie >= cursor; },
        &NfsDirectory::Name::cookie);
    if (at == batch.names.end() && !batch.is_last) return std::nullopt;
    const bool is_itself = at != batch.names.end() && at->cookie == cursor;
    return at - batch.names.begin() + (is_itself ? 1 : 0);
  }

  // Gives the names from there on. False: the sink is full, or this was all.
  bool give(const NfsDirectory::Batch& batch, std::size_t first, NfsBackend& backend) {
    // What the kernel is told of a file now it takes for newer than what it knows.
    const bool may_describe =
        sink.wants_attributes() && directory.news()->changes() == batch.changes_before;
    for (std::size_t at = first; at < batch.names.size(); ++at) {
      const NfsDirectory::Name& next = batch.names[at];
      const bool is_hidden = backend.hidden_names_->contains(directory.handle(), next.name);
      const bool is_described =
          may_describe && !backend.recent_changes_.is_changed_since(next.handle, batch.asked_at);
      if (!is_hidden && !add(next, is_described, batch, backend)) return false;
      cursor = next.cookie;
      batch.read_up_to.store(at + 1, std::memory_order_relaxed);
    }
    return !batch.is_last;
  }

  bool add(const NfsDirectory::Name& name, bool is_described, const NfsDirectory::Batch& batch,
           NfsBackend& backend) {
    const bool is_dots = name.name == "." || name.name == "..";
    const auto& attributes = name.attributes;
    std::optional<Entry> entry;
    if (is_described && !is_dots && name.handle && attributes) {
      entry = Entry{std::make_unique<NfsInode>(name.handle, attributes->mode), *attributes};
      backend.remember(directory, name, batch);
    }
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
};

void NfsBackend::remember(const NfsDirectory& directory, const NfsDirectory::Name& name,
                          const NfsDirectory::Batch& batch) {
  if (!options_.exclusive) return;
  known_names_.learn(directory.handle(), name.name,
                     {.handle = name.handle,
                      .attributes = *name.attributes,
                      .asked_at = batch.asked_at,
                      .counted = batch.counted});
}

// Whoever opens a directory reads it: the first entries come with the open, which the server
// refuses as it would refuse the reading.
void NfsBackend::open_directory(const Caller& caller, Inode& inode,
                                Answer<std::unique_ptr<File>> answer) {
  NfsInode& directory = nfs(inode);
  if (!directory.is_directory()) return answer.refuse(ENOTDIR);
  TicketPointer ticket = ticket_for(caller);
  if (const auto last = directory.removed()) {
    answer.complete(std::unique_ptr<File>(std::make_unique<NfsDirectory>(
        FileHandle(), directory.news(), last->device, ticket->identity)));
    return;
  }
  const FileHandle handle = directory.handle();
  std::shared_ptr<ListingAhead> ahead;
  if (options_.exclusive) {
    ahead = take_ahead(handle, ticket->identity);
    // Before the answer, after which nothing here is to be touched.
    for (const FileHandle& next : next_directories_.opened(handle))
      ask_ahead(next, ticket->identity);
  }
  if (ahead)
    open_with(ahead, std::move(ticket), handle, std::move(answer));
  else
    open_by_asking(std::move(ticket), handle, directory.news(), std::move(answer));
}

void NfsBackend::open_by_asking(TicketPointer ticket, const FileHandle& handle,
                                std::shared_ptr<DirectoryNews> news,
                                Answer<std::unique_ptr<File>> answer) {
  auto batch = std::make_shared<NfsDirectory::Batch>();
  batch->changes_before = news->changes();
  ask_for_entries(ticket, handle, news, batch, kFirstReplyBytes,
                  [ticket, handle, batch, news,
                   answer = std::move(answer)](Result<std::uint64_t> device) mutable {
                    if (!device) return answer.complete(failure(device.error()));
                    return answer_opened(handle, news, *device, ticket->identity, batch, answer);
                  });
}

bool NfsBackend::answer_opened(const FileHandle& handle, std::shared_ptr<DirectoryNews> news,
                               std::uint64_t device, const Identity& opener,
                               std::shared_ptr<const NfsDirectory::Batch> first,
                               Answer<std::unique_ptr<File>>& answer) {
  auto opened = std::make_unique<NfsDirectory>(handle, std::move(news), device, opener);
  opened->last = std::move(first);
  opened->is_unread = true;
  return answer.complete(std::unique_ptr<File>(std::move(opened)));
}

// Fills the batch with what comes behind its cookie, and answers with the directory's device.
void NfsBackend::ask_for_entries(TicketPointer ticket, const FileHandle& directory,
                                 std::shared_ptr<DirectoryNews> news,
                                 std::shared_ptr<NfsDirectory::Batch> batch, std::uint32_t bytes,
                                 Answer<std::uint64_t> answer) {
  batch->asked_at = Clock::now();
  if (accounting_) batch->counted = accounting_->now();
  ask<ReadDirectoryPlus>(
      ticket,
      [directory, batch, bytes](READDIRPLUS3args& to) {
        to.dir = directory.raw();
        to.cookie = batch->before;
        std::copy(std::begin(batch->verifier), std::end(batch->verifier), to.cookieverf);
        to.dircount = bytes / 4;  // of names and cookies
        to.maxcount = bytes;
      },
      [this, ticket, news = std::move(news), batch, answer = std::move(answer)](
          Result<READDIRPLUS3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
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
            name_there.attributes = corrected(*ticket, name_there.handle, *name_there.attributes);
        });
        if (batch->names.empty()) batch->is_last = true;
        if (options_.exclusive) note_directories(*batch);
        const auto attributes = told(told_of.dir_attributes);
        if (attributes && options_.exclusive)
          news->saw(*attributes, batch->changes_before, batch->asked_at);
        answer.complete(attributes ? attributes->device : 0);
      });
}

void NfsBackend::note_directories(const NfsDirectory::Batch& batch) {
  std::vector<FileHandle> directories;
  for (const NfsDirectory::Name& name : batch.names) {
    if (name.attributes && S_ISDIR(name.attributes->mode) && name.handle && name.name != "." &&
        name.name != "..")
      directories.push_back(name.handle);
  }
  next_directories_.listed(directories);
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
    const bool came_with_open =
        std::exchange(directory.is_unread, false) && is_fresh(*directory.last);
    // Who begins anew sees what has changed.
    if (listing->cursor == 0 && !came_with_open) directory.last.reset();
    last = directory.last;
  }
  const auto behind =
      last && !listing->searched_to ? last->behind(listing->cursor) : std::optional<std::size_t>();
  if (behind && !listing->give(*last, *behind, *this)) {
    listing->answer.complete({});
    return;
  }
  auto batch = std::make_shared<NfsDirectory::Batch>();
  batch->before = listing->searched_to.value_or(listing->cursor);
  batch->changes_before = directory.news()->changes();
  if (last && batch->before != 0)
    std::copy(std::begin(last->verifier), std::end(last->verifier), batch->verifier);
  ask_for_entries(listing->ticket, directory.handle(), directory.news(), batch, kReplyBytes,
                  [this, listing, batch](const Result<std::uint64_t>& device) {
                    if (!device) return has_no_entries(listing, *batch, device.error());
                    return has_entries(listing, batch);
                  });
}

bool NfsBackend::has_no_entries(const std::shared_ptr<Listing>& listing,
                                const NfsDirectory::Batch& asked, const Error& error) {
  const bool has_verifier =
      std::ranges::any_of(asked.verifier, [](char byte) { return byte != 0; });
  bool goes_on = false;
  // The cookie's verifier has gone: the server has changed it with the directory. Cookies of most
  // mean the same still. Others want to be read from the beginning (Linux does that with all).
  if (error.code == EINVAL && has_verifier && !listing->has_dropped_verifier)
    goes_on = listing->has_dropped_verifier = true;
  else if (error.code == EINVAL)
    goes_on = listing->begin_search();
  if (goes_on) {
    {
      std::scoped_lock lock(listing->directory.mutex);
      listing->directory.last.reset();
    }
    read_on(listing);
    return true;
  }
  if (listing->has_given)  // the error comes again with the next reading
    return listing->answer.complete({});
  return listing->answer.fail(error.code);
}

bool NfsBackend::has_entries(const std::shared_ptr<Listing>& listing,
                             const std::shared_ptr<const NfsDirectory::Batch>& batch) {
  {
    std::scoped_lock lock(listing->directory.mutex);
    listing->directory.last = batch;
  }
  std::size_t first = 0;
  if (listing->searched_to) {
    const std::optional<std::size_t> found = listing->found_in(*batch);
    listing->searched_to = found ? std::nullopt : std::optional(batch->names.back().cookie);
    first = found.value_or(batch->names.size());
  }
  if (!listing->give(*batch, first, *this) || listing->has_given)
    return listing->answer.complete({});
  read_on(listing);  // all of it was hidden, or comes before
  return true;
}

// What changes a directory is on the server's disk when it has answered (RFC 1813 4.8).
void NfsBackend::sync_directory(const Caller&, File&, bool, Answer<void> answer) {
  answer.complete({});
}

}  // namespace claimfs::backends::nfs
