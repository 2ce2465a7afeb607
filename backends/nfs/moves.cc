#include <sys/stat.h>

#include <memory>
#include <utility>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

// A file on its way into another directory.
struct NfsBackend::Move {
  TicketPointer ticket;
  NfsInode& from;
  std::string name;
  NfsInode& to;
  std::string new_name;
  Answer<void> answer;
  // What is moved, as it was found before.
  FileHandle moved{};
  Attributes attributes{};
};

// A server that checks subtrees (exports(5), subtree_check) puts the directory into a file's
// handle. Who has the file open would meet ESTALE after a move, so it is looked at before and
// after. One file that keeps its handle shows that the server is not of that kind, as most are not.
void NfsBackend::move_and_follow(TicketPointer ticket, NfsInode& from, std::string name,
                                 NfsInode& to, std::string new_name, Answer<void> answer) {
  auto move = std::make_shared<Move>(Move{.ticket = ticket,
                                          .from = from,
                                          .name = name,
                                          .to = to,
                                          .new_name = std::move(new_name),
                                          .answer = std::move(answer)});
  look_up(std::move(ticket), from.handle(), std::move(name), [this, move](Result<Entry> found) {
    if (!found) return move->answer.complete(failure(found.error()));
    move->moved = nfs(*found->inode).handle();
    move->attributes = found->attributes;
    session_->handles().begin_change(move->moved);
    replace_name(move->ticket, move->from, move->name, move->to, move->new_name,
                 [this, move](Result<void> done) {
                   if (done) {
                     learn_moved(move);
                     return true;
                   }
                   session_->handles().end_change(move->moved, {});
                   session_->wake();
                   return move->answer.complete(std::move(done));
                 });
    return true;
  });
}

// What the server calls it now. Not to learn that is no error of the move.
void NfsBackend::learn_moved(std::shared_ptr<Move> move) {
  ask<Lookup>(
      move->ticket, [move](LOOKUP3args& to) { to.what = place(move->to.handle(), move->new_name); },
      [this, move](Result<LOOKUP3res*> reply, bool) {
        ServerHandles& handles = session_->handles();
        FileHandle theirs;
        if (reply) {
          const LOOKUP3resok& there = (*reply)->LOOKUP3res_u.resok;
          const auto attributes = told(there.obj_attributes);
          if (attributes && attributes->device == move->attributes.device &&
              attributes->ino == move->attributes.ino)
            theirs = FileHandle(there.object);
        }
        if (theirs && theirs == handles.theirs(move->moved) && !S_ISDIR(move->attributes.mode))
          keeps_moved_handles_.store(true);
        // Nobody is to follow a file that nobody knows.
        handles.end_change(move->moved, is_known(move->moved) ? theirs : FileHandle());
        session_->wake();
        move->answer.complete({});
      });
}

bool NfsBackend::is_known(const FileHandle& handle) const {
  bool is_remembered = open_files_->is_open(handle);
  if (!is_remembered && remembered_)
    remembered_->with(handle.bytes(), [&](Inode&) { is_remembered = true; });
  return is_remembered;
}

}  // namespace claimfs::backends::nfs
