#include <sys/stat.h>

#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

// Nothing but the size, and the time that it has anyway.
bool is_truncation(const AttributeChanges& changes) {
  return changes.size && !changes.mode && !changes.uid && !changes.gid && !changes.atime &&
         (!changes.mtime || changes.mtime->now);
}

}  // namespace

void NfsBackend::get(TicketPointer ticket, const FileHandle& handle, Answer<Attributes> answer) {
  ask<GetAttributes>(
      ticket, [handle](GETATTR3args& to) { to.object = handle.raw(); },
      [this, ticket, handle, answer = std::move(answer)](Result<GETATTR3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        answer.complete(
            corrected(*ticket, handle, told((*reply)->GETATTR3res_u.resok.obj_attributes)));
      });
}

void NfsBackend::set(TicketPointer ticket, const FileHandle& handle, const sattr3& changes,
                     Answer<Attributes> answer, const std::shared_ptr<DirectoryNews>& news) {
  std::optional<DirectoryChange> change;
  if (news) change.emplace(news);
  ask<SetAttributes>(
      ticket,
      [handle, changes](SETATTR3args& to) {
        to.object = handle.raw();
        to.new_attributes = changes;
      },
      [this, ticket, handle, size = changes.size, change = std::move(change),
       answer = std::move(answer)](Result<SETATTR3res*> reply, bool) mutable {
        recent_changes_.note(handle);
        const auto after = reply ? told((*reply)->SETATTR3res_u.resok.obj_wcc.after) : std::nullopt;
        const auto written = written_files_.find(handle);
        if (written && size.set_it) {
          if (reply)
            written->size_was_set(size.set_size3_u.size,
                                  after ? std::optional(after->blocks * 512) : std::nullopt);
          else
            written->size_was_not_set();
        }
        if (!reply) return answer.refuse(reply.error());
        if (written && !size.set_it) written->attributes_were_set();
        if (change) end(*change, (*reply)->SETATTR3res_u.resok.obj_wcc);
        if (after)
          answer.complete(corrected(*ticket, handle, *after));
        else
          get(ticket, handle, std::move(answer));
      });
}

void NfsBackend::get_attributes(const Caller& caller, Inode& inode, File*,
                                Answer<Attributes> answer) {
  NfsInode& file = nfs(inode);
  if (const auto& news = file.news()) {
    if (const auto known = news->attributes(moved_at_.load())) {
      answer.complete(*known);
      return;
    }
  }
  get(ticket_for(caller), file.handle(),
      [&file, answer = std::move(answer)](Result<Attributes> attributes) mutable {
        if (attributes) return answer.complete(file.seen(*attributes));
        // The server has forgotten a directory that somebody is still in.
        if (const auto last = file.removed(); last && attributes.error().code == ESTALE)
          return answer.complete(*last);
        return answer.complete(std::move(attributes));
      });
}

void NfsBackend::set_attributes(const Caller& caller, Inode& inode, File* open_file,
                                const AttributeChanges& changes, Answer<Attributes> answer) {
  if (options_.read_only) return answer.refuse(EROFS);
  if (changes.size && *changes.size < 0) return answer.refuse(EINVAL);
  NfsInode& file = nfs(inode);
  if (changes.size && file.is_directory()) return answer.refuse(EISDIR);
  // ftruncate needs the right of the open only.
  const bool is_of_open = open_file && changes.size && !changes.mode && !changes.uid;
  TicketPointer ticket =
      is_of_open ? ticket_for(caller, nfs(*open_file).opener()) : ticket_for(caller);
  const auto known = written_files_.find(file.handle());
  if (const auto kept = known ? known->keep(ticket->identity, changes) : std::nullopt) {
    recent_changes_.note(file.handle());
    answer.complete(file.seen(*kept));
    return;
  }
  // What is cut off is not sent first; but where room is accounted it has to be known.
  if (known && is_truncation(changes) && !accounting_ && !known->has_kept_changes()) {
    auto shared = std::make_shared<Answer<Attributes>>(std::move(answer));
    known->set_size(ticket, static_cast<std::uint64_t>(*changes.size),
                    [this, &file, ticket, changes, shared](int error) {
                      if (error != 0) return shared->refuse(error);
                      change(ticket, file, changes, std::move(*shared));
                    });
    return;
  }
  // What was written before has its own time and rights, and what is cut off goes with the rest.
  // What that occupies has to be known where it is accounted.
  const auto written =
      accounting_ && changes.size ? written_files_.get(file.handle(), written_volume_) : known;
  if (written) {
    Answer<Attributes> holding = [written,
                                  answer = std::move(answer)](Result<Attributes> changed) mutable {
      return answer.complete(std::move(changed));
    };
    written->flush(ticket, nullptr,
                   [this, &file, ticket, changes, written,
                    answer = std::move(holding)](const Result<void>& flushed) mutable {
                     // An error of it is for those who wrote; who gave up waiting hears of that.
                     if (!flushed) return answer.complete(failure(flushed.error()));
                     if (!changes.size || !written->needs_word()) {
                       change(ticket, file, changes, std::move(answer));
                       return true;
                     }
                     get(ticket, file.handle(),
                         [this, &file, ticket, changes,
                          answer = std::move(answer)](Result<Attributes> attributes) mutable {
                           if (!attributes) return answer.complete(std::move(attributes));
                           change(ticket, file, changes, std::move(answer));
                           return true;
                         });
                     return true;
                   });
    return;
  }
  change(std::move(ticket), file, changes, std::move(answer));
}

void NfsBackend::change(TicketPointer ticket, NfsInode& file, const AttributeChanges& changes,
                        Answer<Attributes> answer) {
  set(
      ticket, file.handle(), to_sattr(changes),
      [this, &file, ticket, kill_set_id = changes.kill_set_id,
       answer = std::move(answer)](Result<Attributes> attributes) mutable {
        if (!attributes) return answer.complete(std::move(attributes));
        const mode_t mode = without_set_id(attributes->mode);
        if (!kill_set_id || !S_ISREG(mode) || mode == attributes->mode)
          return answer.complete(file.seen(*attributes));
        // The server did not see to it: it has taken the caller for a privileged one.
        set(ticket, file.handle(), to_sattr(mode),
            [&file, answer = std::move(answer)](Result<Attributes> killed) mutable {
              if (!killed) return answer.complete(std::move(killed));
              return answer.complete(file.seen(*killed));
            });
        return true;
      },
      file.news());
}

void NfsBackend::file_system_state(const Caller& caller, Answer<FileSystemState> answer) {
  if (usage_) usage_->refresh();
  ask<FileSystemState3>(
      ticket_for(caller), [root = export_.root](FSSTAT3args& to) { to.fsroot = root.raw(); },
      [this, longest = export_.longest_name, answer = std::move(answer)](Result<FSSTAT3res*> reply,
                                                                         bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        const FSSTAT3resok& told = (*reply)->FSSTAT3res_u.resok;
        FileSystemState state;
        state.blocks = told.tbytes / state.block_size;
        state.blocks_free = told.fbytes / state.block_size;
        state.blocks_available = std::min(told.abytes, told.fbytes) / state.block_size;
        state.files = told.tfiles;
        state.files_free = told.ffiles;
        state.name_max = longest;
        if (accounting_) state.used_bytes = accounting_->used_bytes();
        answer.complete(state);
      });
}

}  // namespace claimfs::backends::nfs
