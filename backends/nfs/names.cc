#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "backends/nfs/backend.h"
#include "backends/nfs/making.h"

namespace claimfs::backends::nfs {

namespace {

// PATH_MAX, as symlink(2) has it.
constexpr std::size_t kLongestTarget = 4095;

mode_t masked(mode_t mode, const Caller& caller) { return mode & 07777 & ~caller.umask; }

}  // namespace

void NfsBackend::look_up(TicketPointer ticket, const FileHandle& parent, std::string name,
                         Answer<Entry> answer) {
  ask<Lookup>(
      ticket, [parent, name = std::move(name)](LOOKUP3args& to) { to.what = place(parent, name); },
      [this, ticket, answer = std::move(answer)](Result<LOOKUP3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        const LOOKUP3resok& found = (*reply)->LOOKUP3res_u.resok;
        const FileHandle handle(found.object);
        if (!handle) return answer.refuse(EIO);
        answer_entry(ticket, {}, {}, handle, told(found.obj_attributes), std::move(answer));
      });
}

void NfsBackend::answer_entry(TicketPointer ticket, const FileHandle& parent, std::string name,
                              const FileHandle& found, std::optional<Attributes> attributes,
                              Answer<Entry> answer) {
  if (!found) return look_up(std::move(ticket), parent, std::move(name), std::move(answer));
  const FileHandle known = session_->handles().ours(found);
  if (attributes) {
    attributes = corrected(*ticket, known, *attributes);
    answer.complete(Entry{std::make_unique<NfsInode>(known, attributes->mode), *attributes});
    return;
  }
  get(std::move(ticket), known,
      [known, answer = std::move(answer)](Result<Attributes> asked) mutable {
        if (!asked) return answer.complete(failure(asked.error()));
        return answer.complete(Entry{std::make_unique<NfsInode>(known, asked->mode), *asked});
      });
}

// Of a directory: what is in it is known from now on.
Answer<Entry> NfsBackend::as_new(Answer<Entry> answer) {
  return [answer = std::move(answer)](Result<Entry> made) mutable {
    if (made) nfs(*made->inode).news()->is_new(made->attributes);
    return answer.complete(std::move(made));
  };
}

void NfsBackend::lookup(const Caller& caller, Inode& parent, std::string_view name,
                        Answer<Entry> answer) {
  if (const int refusal = refusal_of_name(parent, name)) return answer.refuse(refusal);
  if (nfs(parent).news()->is_absent(name, options_.absent_names_believed))
    return answer.refuse(ENOENT);
  if (const auto found = known(nfs(parent), name)) {
    answer.complete(
        Entry{.inode = std::make_unique<NfsInode>(found->handle, found->attributes.mode),
              .attributes = found->attributes,
              .is_from_memory = true});
    return;
  }
  TicketPointer ticket = ticket_for(caller);
  // Not while a change of the directory is under way: the answer may be older than that.
  const auto changes = options_.exclusive ? nfs(parent).news()->changes_at_rest() : std::nullopt;
  Answer<Entry> told_on = changes
                              ? remembering(*ticket, nfs(parent), *changes, name, std::move(answer))
                              : std::move(answer);
  look_up(std::move(ticket), nfs(parent).handle(), std::string(name), std::move(told_on));
}

// What the name stands for, for whoever removes or replaces it.
Answer<Entry> NfsBackend::remembering(const Ticket& ticket, NfsInode& directory,
                                      std::uint64_t changes, std::string_view name,
                                      Answer<Entry> answer) {
  KnownNames::Known known{.handle = {},
                          .attributes = {},
                          .asked_at = ticket.begun_at,
                          .counted = accounting_ ? accounting_->now() : Accounting::Since()};
  return [this, at = directory.handle(), name = std::string(name), news = directory.news(), changes,
          known = std::move(known), answer = std::move(answer)](Result<Entry> found) mutable {
    const bool is_told = found || found.error().code == ENOENT;
    if (is_told && news->changes() == changes) {
      if (found) {
        known.handle = nfs(*found->inode).handle();
        known.attributes = found->attributes;
      }
      known_names_.learn(at, name, std::move(known));
    }
    return answer.complete(std::move(found));
  };
}

void NfsBackend::read_link(const Caller& caller, Inode& inode, Answer<std::string> answer) {
  ask<ReadLink>(
      ticket_for(caller),
      [handle = nfs(inode).handle()](READLINK3args& to) { to.symlink = handle.raw(); },
      [answer = std::move(answer)](Result<READLINK3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        const char* target = (*reply)->READLINK3res_u.resok.data;
        answer.complete(std::string(target ? target : ""));
      });
}

void NfsBackend::make_node(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                           dev_t device, Answer<Entry> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  NfsInode& directory = nfs(parent);
  const sattr3 attributes = to_sattr(masked(mode, caller));
  const mode_t type = mode & S_IFMT;
  if (type == 0 || type == S_IFREG) {
    make<Create>(
        ticket_for(caller), directory, name,
        [attributes](CREATE3args& to) {
          to.how.mode = GUARDED;
          to.how.createhow3_u.g_obj_attributes = attributes;
        },
        [](CREATE3res& reply) -> const CREATE3resok& { return reply.CREATE3res_u.resok; },
        std::move(answer));
    return;
  }
  if (type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK)
    return answer.refuse(EINVAL);
  make<MakeNode>(
      ticket_for(caller), directory, name,
      [attributes, type, device](MKNOD3args& to) {
        specdata3 numbers{};
        numbers.specdata1 = major(device);
        numbers.specdata2 = minor(device);
        auto& what = to.what.mknoddata3_u;
        if (type == S_IFIFO) {
          to.what.type = NF3FIFO;
          what.pipe_attributes = attributes;
        } else if (type == S_IFSOCK) {
          to.what.type = NF3SOCK;
          what.sock_attributes = attributes;
        } else if (type == S_IFCHR) {
          to.what.type = NF3CHR;
          what.chr_device = {attributes, numbers};
        } else {
          to.what.type = NF3BLK;
          what.blk_device = {attributes, numbers};
        }
      },
      [](MKNOD3res& reply) -> const MKNOD3resok& { return reply.MKNOD3res_u.resok; },
      std::move(answer));
}

void NfsBackend::make_directory(const Caller& caller, Inode& parent, std::string_view name,
                                mode_t mode, Answer<Entry> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  make<MakeDirectory>(
      ticket_for(caller), nfs(parent), name,
      [attributes = to_sattr(masked(mode, caller))](MKDIR3args& to) { to.attributes = attributes; },
      [](MKDIR3res& reply) -> const MKDIR3resok& { return reply.MKDIR3res_u.resok; },
      std::move(answer));
}

void NfsBackend::make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                              std::string_view target, Answer<Entry> answer) {
  if (const int refusal = refusal_of_change(parent, name)) return answer.refuse(refusal);
  if (target.size() > kLongestTarget) return answer.refuse(ENAMETOOLONG);
  make<MakeSymlink>(
      ticket_for(caller), nfs(parent), name,
      [text = std::string(target)](SYMLINK3args& to) {
        to.symlink.symlink_attributes = to_sattr(0777);
        to.symlink.symlink_data = const_cast<char*>(text.c_str());
      },
      [](SYMLINK3res& reply) -> const SYMLINK3resok& { return reply.SYMLINK3res_u.resok; },
      std::move(answer));
}

void NfsBackend::link(const Caller& caller, Inode& inode, Inode& new_parent,
                      std::string_view new_name, Answer<Entry> answer) {
  if (const int refusal = refusal_of_change(new_parent, new_name)) return answer.refuse(refusal);
  NfsInode& file = nfs(inode);
  if (file.is_directory()) return answer.refuse(EPERM);
  TicketPointer ticket = ticket_for(caller);
  in_room_for(
      NewName{.is_of_something_new = false}, ticket, std::move(answer),
      [this, ticket, &file, &parent = nfs(new_parent), name = std::string(new_name)](
          Answer<Entry> linked) { link_there(ticket, file, parent, name, std::move(linked)); });
}

void NfsBackend::link_there(TicketPointer ticket, NfsInode& file, NfsInode& parent,
                            const std::string& new_name, Answer<Entry> answer) {
  const FileHandle handle = file.handle();
  const FileHandle directory = parent.handle();
  known_names_.forget_all();
  ask<Link>(
      ticket,
      [handle, directory, name = new_name](LINK3args& to) {
        to.file = handle.raw();
        to.link = place(directory, name);
      },
      [this, ticket, handle, directory, name = new_name, &file,
       change = DirectoryChange(parent.news(), new_name), moving = Accounting::Moving(accounting_),
       answer = std::move(answer)](Result<LINK3res*> reply, bool was_sent_before) mutable {
        auto seen = [&file](Answer<Entry> to) -> Answer<Entry> {
          return [&file, to = std::move(to)](Result<Entry> entry) mutable {
            if (entry) entry->attributes = file.seen(entry->attributes);
            return to.complete(std::move(entry));
          };
        };
        if (reply) {
          has_changed(*ticket, directory, change, (*reply)->LINK3res_u.resok.linkdir_wcc);
          const auto attributes = told((*reply)->LINK3res_u.resok.file_attributes);
          return answer_entry(ticket, directory, std::move(name), handle, attributes,
                              seen(std::move(answer)));
        }
        if (reply.error().code != EEXIST || !was_sent_before) return answer.refuse(reply.error());
        // Ours, if it is the same file.
        look_up(ticket, directory, std::move(name),
                [handle, answer = seen(std::move(answer))](Result<Entry> found) mutable {
                  if (found && found->inode->key() != handle.bytes()) return answer.fail(EEXIST);
                  return answer.complete(std::move(found));
                });
      });
}

}  // namespace claimfs::backends::nfs
