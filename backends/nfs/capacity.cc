#include <cerrno>
#include <vector>

#include "backends/nfs/alarm.h"
#include "backends/nfs/backend.h"
#include "backends/nfs/usage.h"

// What keeps the volume within its capacity: who waits for room, and what gives it back.
namespace claimfs::backends::nfs {

namespace {

std::uint64_t occupied(const Attributes& attributes) { return attributes.blocks * 512; }

}  // namespace

// A write that waits for room, with a copy of its data.
struct NfsBackend::LaterWrite {
  TicketPointer ticket;
  NfsFile& file;
  std::vector<std::byte> bytes;
  WrittenFile::Place place;
  Answer<std::size_t> answer;

  bool is_done_with(Reservation& room) {
    return file.written()->write(ticket, bytes, place, {.reserved = room}, file.told_errors,
                                 answer);
  }
};

Result<void> NfsBackend::start_accounting() {
  if (!accounting_) return {};
  TRY_VOID(accounting_->start());
  usage_ = std::make_unique<UsageCount>(
      [session = session_, root = export_.root, patience = soft_deadline()](const auto& is_ending) {
        return count_tree(session, root, patience, is_ending);
      },
      accounting_.get());
  accounting_->set_count(*usage_);
  usage_->want();  // what a crash left of the bound is too high
  return {};
}

void NfsBackend::set_capacity(std::uint64_t bytes) {
  if (accounting_) accounting_->set_capacity(bytes);
}

Enforcement NfsBackend::enforcement() const {
  return accounting_ ? Enforcement::Accounting : Enforcement::None;
}

// Whoever comes first, the room or the alarm, ends the wait.
void NfsBackend::wait_for_room(const TicketPointer& ticket, std::uint64_t wanted,
                               Accounting::Use use) {
  auto is_over = std::make_shared<std::atomic<bool>>(false);
  auto once = [is_over,
               use = std::make_shared<Accounting::Use>(std::move(use))](Result<Reservation> room) {
    if (!is_over->exchange(true)) (*use)(std::move(room));
  };
  session_->submit_elsewhere(std::make_unique<Alarm>(
      ticket, [once](int error) { once(failure(error)); }, is_over));
  accounting_->when_there_is_room(wanted, 0, std::move(once));
}

void NfsBackend::write_within(const TicketPointer& ticket, NfsFile& file,
                              std::span<const std::byte> data, WrittenFile::Place place,
                              Answer<std::size_t> answer) {
  WrittenFile& to = *file.written();
  Reservation at_hand = accounting_ ? accounting_->room_at_hand(0) : Reservation();
  if (to.write(ticket, data, place, {.reserved = at_hand, .must_be_enough = true}, file.told_errors,
               answer))
    return;
  auto later = std::make_shared<LaterWrite>(LaterWrite{
      ticket, file, std::vector<std::byte>(data.begin(), data.end()), place, std::move(answer)});
  wait_for_room(ticket, to.price(place, data.size()), [this, later](Result<Reservation> room) {
    if (!room) return later->answer.refuse(room.error());
    if (later->is_done_with(*room)) return;
    // At the limit the file is synced: what is set aside for its metadata comes back.
    WrittenFile& full = *later->file.written();
    if (!full.has_set_aside()) return later->answer.refuse(accounting_->refuse_for_room().value());
    full.flush(later->ticket, nullptr, [this, later](const Result<void>&) {
      Reservation anew = accounting_->room_at_hand(0);
      if (!later->is_done_with(anew)) later->answer.refuse(accounting_->refuse_for_room().value());
      return true;
    });
  });
}

void NfsBackend::has_made(Ticket& ticket, const Entry& entry) {
  accounting_->grew(occupied(entry.attributes), *ticket.room);
}

void NfsBackend::has_made_directory(const MKDIR3resok& made) {
  const FileHandle handle = handle_of(made.obj);
  if (accounting_ && handle && made.obj_attributes.attributes_follow != 0)
    accounting_->directory_made(handle, made.obj_attributes.post_op_attr_u.attributes.used);
}

void NfsBackend::has_changed(Ticket& ticket, const FileHandle& directory, DirectoryChange& change,
                             const wcc_data& told_of) {
  if (accounting_ && ticket.room)
    accounting_->grew(accounting_->told(directory, told_of), *ticket.room);
  end(change, told_of);
}

Answer<void> NfsBackend::giving_back(const Leaving& leaving, Answer<void> answer) {
  if (!accounting_ || !leaving.handle || !leaving.attributes) return answer;
  if (!leaving.is_last_name && !leaving.is_directory) return answer;
  return [this, handle = leaving.handle, used = occupied(*leaving.attributes),
          since = leaving.known, answer = std::move(answer)](Result<void> removed) mutable {
    if (removed) {
      if (const auto written = written_files_.find(handle))
        written->was_removed(used, since);
      else
        accounting_->shrank(used, since);
    }
    return answer.complete(std::move(removed));
  };
}

}  // namespace claimfs::backends::nfs
