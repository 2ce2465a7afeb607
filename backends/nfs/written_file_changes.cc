// Attributes of a file that is written to, set behind its data.

#include "backends/nfs/attributes_of.h"
#include "backends/nfs/written_file.h"

namespace claimfs::backends::nfs {

void WrittenFile::made(const Identity& maker, const Attributes& attributes) {
  std::scoped_lock lock(mutex_);
  kept_.made(maker, attributes, Clock::now());
}

std::optional<Attributes> WrittenFile::keep(const Identity& who, const AttributeChanges& changes) {
  Attributes guess;
  {
    std::scoped_lock lock(mutex_);
    if (!kept_.keep(who, changes, Clock::now())) return std::nullopt;
    guess = kept_.guess();
    add_what_is_newer(guess, kept_.guess_asked_at());
  }
  push_soon();
  return guess;
}

bool WrittenFile::has_kept_changes() {
  std::scoped_lock lock(mutex_);
  return kept_.has_any();
}

void WrittenFile::attributes_were_set() {
  std::scoped_lock lock(mutex_);
  kept_.others_were_set();
}

// When what was written before is on the server's disk: writing sets the time.
void WrittenFile::decide_changes(Steps& steps) {
  if (!kept_behind_ || kept_.is_sending() || !pending_.is_stable(*kept_behind_)) return;
  steps.changes = kept_.next();
  kept_behind_.reset();
}

void WrittenFile::send_changes(const KeptChanges::Sending& sending) {
  submit<SetAttributes>(
      ticket_of_ours(sending.who),
      [handle = handle_, changes = to_sattr(sending.changes)](SETATTR3args& to) {
        to.object = handle.raw();
        to.new_attributes = changes;
      },
      [self = shared_from_this()](Result<SETATTR3res*> reply, bool) {
        self->after([&] {
          self->kept_.sent(reply.has_value(), Clock::now());
          if (!reply) self->pending_.errors().happened(reply.error().code, 0);
        });
      });
}

}  // namespace claimfs::backends::nfs
