#include <sys/stat.h>

#include <cerrno>

#include "backends/nfs/backend.h"
#include "backends/nfs/room.h"

namespace claimfs::backends::nfs {

// A server forgets a file with its last name. So before a name goes it is asked what that stands
// for, unless nothing is open in the whole volume; what is open gets a hidden name first. Where
// room is accounted it is asked always, for what comes back.
void NfsBackend::find_leaving(TicketPointer ticket, const NfsInode& parent, std::string name,
                              Answer<Leaving> answer) {
  if (const auto found = known(parent, name)) {
    answer.complete(Leaving{.handle = found->handle,
                            .is_directory = S_ISDIR(found->attributes.mode),
                            .is_last_name = found->attributes.nlink <= 1,
                            .attributes = found->attributes,
                            .known = found->counted});
    return;
  }
  look_up(std::move(ticket), parent.handle(), std::move(name),
          [known = accounting_ ? accounting_->now() : Accounting::Since(),
           answer = std::move(answer)](Result<Entry> found) mutable {
            if (!found) return answer.complete(failure(found.error()));
            const auto& inode = static_cast<const NfsInode&>(*found->inode);
            Leaving leaving;
            leaving.handle = inode.handle();
            leaving.is_directory = inode.is_directory();
            leaving.is_last_name = found->attributes.nlink <= 1;
            leaving.attributes = found->attributes;
            leaving.known = known;
            return answer.complete(std::move(leaving));
          });
}

// As the kernel's own client, whose dentry says it. Not where the file has changed since: then the
// room that comes back is another.
std::optional<KnownNames::Known> NfsBackend::known(const NfsInode& directory,
                                                   std::string_view name) const {
  if (!options_.exclusive) return std::nullopt;
  auto found = known_names_.find(directory.handle(), name, directory.news()->unchanged_since());
  if (!found || !found->handle || recent_changes_.is_changed_since(found->handle, found->asked_at))
    return std::nullopt;
  const auto written = written_files_.find(found->handle);
  if (written && !written->is_unchanged_since(found->asked_at)) return std::nullopt;
  return found;
}

// For whoever is about to put something there. Others than us find out by looking.
bool NfsBackend::is_known_absent(const NfsInode& directory, std::string_view name) const {
  if (!options_.exclusive) return false;
  const auto found = known_names_.find(directory.handle(), name);
  return found ? !found->handle : directory.news()->is_absent(name, options_.absent_names_believed);
}

// The file has got its hidden name: everybody who has it keeps that.
std::shared_ptr<HiddenFile> NfsBackend::hidden_file(const TicketPointer& ticket,
                                                    const FileHandle& directory,
                                                    const std::string& name) {
  return std::make_shared<HiddenFile>(session_, hidden_names_, directory, name, ticket->identity,
                                      accounting_);
}

void NfsBackend::hide(const TicketPointer& ticket, const FileHandle& handle,
                      const FileHandle& directory, const std::string& hidden_name) {
  const auto hidden = hidden_file(ticket, directory, hidden_name);
  open_files_->keep(handle, hidden);
  if (remembered_)
    remembered_->with(handle.bytes(), [&](Inode& inode) { nfs(inode).hide(hidden); });
}

void NfsBackend::remove_name(TicketPointer ticket, NfsInode& parent, std::string name,
                             Answer<void> answer) {
  known_names_.forget(parent.handle(), name);
  ask<Remove>(
      std::move(ticket),
      [directory = parent.handle(), name = std::move(name)](REMOVE3args& to) {
        to.object = place(directory, name);
      },
      [this, change = DirectoryChange(parent.news()), answer = std::move(answer)](
          Result<REMOVE3res*> reply, bool was_sent_before) mutable {
        if (reply) end(change, (*reply)->REMOVE3res_u.resok.dir_wcc);
        // The first sending removed it, and its reply was lost.
        const bool is_gone = !reply && reply.error().code == ENOENT && was_sent_before;
        if (!reply && !is_gone) return answer.refuse(reply.error());
        answer.complete({});
      });
}

void NfsBackend::move_name(TicketPointer ticket, NfsInode& from_inode, std::string name,
                           NfsInode& to_inode, std::string new_name, Answer<void> answer) {
  const FileHandle from = from_inode.handle();
  const FileHandle to = to_inode.handle();
  // What is known of the directory's names holds for a new name in it, too.
  auto same = &from_inode == &to_inode ? known(from_inode, name) : std::nullopt;
  if (same && S_ISDIR(same->attributes.mode)) same.reset();
  known_names_.forget(from, name);
  known_names_.forget(to, new_name);
  DirectoryChange arrival(to_inode.news(), new_name);
  std::optional<DirectoryChange> departure;
  if (&from_inode != &to_inode) departure.emplace(from_inode.news());
  ask<Rename>(
      ticket,
      [from, name = std::move(name), to, new_name](RENAME3args& arguments) {
        arguments.from = place(from, name);
        arguments.to = place(to, new_name);
      },
      [this, ticket, to, new_name, from, arrival = std::move(arrival),
       departure = std::move(departure), moving = Accounting::Moving(accounting_),
       same = std::move(same),
       answer = std::move(answer)](Result<RENAME3res*> reply, bool was_sent_before) mutable {
        // A directory that has moved is changed itself.
        moved_at_.store(Clock::now());
        if (reply) {
          const RENAME3resok& moved = (*reply)->RENAME3res_u.resok;
          has_changed(*ticket, to, arrival, moved.todir_wcc);
          if (departure) has_changed(*ticket, from, *departure, moved.fromdir_wcc);
          if (same) known_names_.learn(to, new_name, *std::move(same));
          answer.complete({});
          return;
        }
        if (reply.error().code != ENOENT || !was_sent_before) return answer.refuse(reply.error());
        // The first sending moved it, if something is there now.
        look_up(ticket, to, std::move(new_name),
                [answer = std::move(answer)](Result<Entry> found) mutable {
                  if (!found) return answer.fail(ENOENT);
                  return answer.complete({});
                });
      });
}

void NfsBackend::unlink(const Caller& caller, Inode& parent, std::string_view name,
                        Answer<void> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  NfsInode& directory = nfs(parent);
  TicketPointer ticket = ticket_for(caller);
  std::string text(name);
  if (!open_files_->are_any() && !accounting_)
    return remove_name(std::move(ticket), directory, std::move(text), std::move(answer));
  find_leaving(
      ticket, directory, text,
      [this, ticket, &directory, text, answer = std::move(answer)](Result<Leaving> found) mutable {
        if (!found) return answer.complete(failure(found.error()));
        const FileHandle handle = found->handle;
        if (!found->is_last_name && !found->is_directory) known_names_.forget_all();
        if (!found->is_last_name || found->is_directory || !open_files_->is_open(handle)) {
          remove_name(ticket, directory, std::move(text), giving_back(*found, std::move(answer)));
          return true;
        }
        const std::string hidden_name = HiddenNames::make_name();
        const FileHandle at = directory.handle();
        hidden_names_->add(at, hidden_name);  // before anybody can list it
        move_name(ticket, directory, std::move(text), directory, hidden_name,
                  [this, ticket, handle, at, hidden_name,
                   answer = std::move(answer)](Result<void> moved) mutable {
                    // Who was interrupted does not know: the server may move it yet.
                    if (moved)
                      hide(ticket, handle, at, hidden_name);
                    else
                      open_files_->keep(handle, hidden_file(ticket, at, hidden_name));
                    return answer.complete(std::move(moved));
                  });
        return true;
      });
}

void NfsBackend::remove_directory(const Caller& caller, Inode& parent, std::string_view name,
                                  Answer<void> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  const FileHandle directory = nfs(parent).handle();
  TicketPointer ticket = ticket_for(caller);
  // Who is still in a removed directory finds it empty, not stale.
  find_leaving(
      ticket, nfs(parent), std::string(name),
      [this, ticket, directory, &parent, text = std::string(name),
       answer = std::move(answer)](Result<Leaving> found) mutable {
        if (!found) return answer.complete(failure(found.error()));
        known_names_.forget(directory, text);
        Answer<void> removed = giving_back(*found, std::move(answer));
        ask<RemoveDirectory>(
            ticket,
            [directory, text = std::move(text)](RMDIR3args& to) {
              to.object = place(directory, text);
            },
            [this, ticket, directory, leaving = std::move(*found),
             change = DirectoryChange(nfs(parent).news()),
             answer = std::move(removed)](Result<RMDIR3res*> reply, bool was_sent_before) mutable {
              if (reply)
                has_changed(*ticket, directory, change, (*reply)->RMDIR3res_u.resok.dir_wcc);
              const bool is_gone = !reply && reply.error().code == ENOENT && was_sent_before;
              if (!reply && !is_gone)
                return answer.refuse(reply.error().code == EEXIST ? ENOTEMPTY : reply.error().code);
              leaving.attributes->nlink = 0;
              if (remembered_)
                remembered_->with(leaving.handle.bytes(), [&](Inode& inode) {
                  nfs(inode).was_removed(*leaving.attributes);
                });
              answer.complete({});
            });
        return true;
      });
}

void NfsBackend::rename(const Caller& caller, Inode& parent, std::string_view name,
                        Inode& new_parent, std::string_view new_name, unsigned flags,
                        Answer<void> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  if (const int refusal = refusal_of_change(new_parent, new_name)) return answer.refuse(refusal);
  // Neither can be had from a server of NFSv3 in one step.
  if (flags != 0) return answer.refuse(EINVAL);
  NfsInode& from = nfs(parent);
  NfsInode& to = nfs(new_parent);
  const auto change = &from == &to || !may_change_moved_handles() ? &NfsBackend::replace_name
                                                                  : &NfsBackend::move_and_follow;
  TicketPointer ticket = ticket_for(caller);
  in_room_for(NewName{}, ticket, std::move(answer),
              [this, ticket, change, &from, text = std::string(name), &to,
               new_text = std::string(new_name)](Answer<void> renamed) {
                (this->*change)(ticket, from, text, to, new_text, std::move(renamed));
              });
}

void NfsBackend::replace_name(TicketPointer ticket, NfsInode& from, std::string text, NfsInode& to,
                              std::string new_text, Answer<void> answer) {
  if (!open_files_->are_any() && !accounting_)
    return move_name(std::move(ticket), from, std::move(text), to, std::move(new_text),
                     std::move(answer));
  if (is_known_absent(to, new_text))
    return move_name(std::move(ticket), from, std::move(text), to, std::move(new_text),
                     std::move(answer));
  find_leaving(
      ticket, to, new_text,
      [this, ticket, &from, &to, text, new_text,
       answer = std::move(answer)](Result<Leaving> replaced) mutable {
        if (!replaced && replaced.error().code != ENOENT)
          return answer.complete(failure(replaced.error()));
        if (replaced && !replaced->is_last_name) known_names_.forget_all();
        const bool is_kept = replaced && replaced->is_last_name && !replaced->is_directory &&
                             open_files_->is_open(replaced->handle);
        if (!is_kept) {
          move_name(ticket, from, std::move(text), to, std::move(new_text),
                    giving_back(replaced.value_or(Leaving()), std::move(answer)));
          return true;
        }
        // A second, hidden name first: so the other one always leads to one of the two files.
        const FileHandle handle = replaced->handle;
        const FileHandle at = to.handle();
        const std::string hidden_name = HiddenNames::make_name();
        hidden_names_->add(at, hidden_name);
        ask<Link>(
            ticket,
            [handle, at, hidden_name](LINK3args& arguments) {
              arguments.file = handle.raw();
              arguments.link = place(at, hidden_name);
            },
            [this, ticket, &from, &to, text = std::move(text), new_text = std::move(new_text),
             handle, at, hidden_name, change = DirectoryChange(to.news()),
             answer = std::move(answer)](Result<LINK3res*> linked, bool was_sent_before) mutable {
              if (linked) end(change, (*linked)->LINK3res_u.resok.linkdir_wcc);
              const bool is_there = !linked && linked.error().code == EEXIST && was_sent_before;
              if (!linked && !is_there) {
                hidden_names_->remove(at, hidden_name);
                return answer.refuse(linked.error());
              }
              move_name(ticket, from, std::move(text), to, std::move(new_text),
                        [this, ticket, handle, at, hidden_name,
                         answer = std::move(answer)](Result<void> moved) mutable {
                          // Not moved: the hidden name goes again, with what holds it.
                          if (moved)
                            hide(ticket, handle, at, hidden_name);
                          else
                            HiddenFile(session_, hidden_names_, at, hidden_name, ticket->identity,
                                       accounting_);
                          return answer.complete(std::move(moved));
                        });
            });
        return true;
      });
}

}  // namespace claimfs::backends::nfs
