#include "backends/nfs/written_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "backends/nfs/alarm.h"

namespace claimfs::backends::nfs {

namespace {

constexpr std::size_t kMostWritesInFlight = 8;        // of one file
constexpr std::uint64_t kCommitAtBytes = 16U << 20U;  // answered, and not yet committed
// A request is answered within this, or its size is not put right (see taken_end_).
constexpr Clock::duration kLongestAnswer = std::chrono::seconds(60);
constexpr Clock::duration kGather = std::chrono::seconds(1);  // how long data rests for more

bool is_later(const timespec& left, const timespec& right) {
  return left.tv_sec != right.tv_sec ? left.tv_sec > right.tv_sec : left.tv_nsec > right.tv_nsec;
}

PendingWrites::Verifier verifier_of(const writeverf3& bytes) {
  PendingWrites::Verifier verifier = 0;
  static_assert(sizeof verifier == sizeof(writeverf3));
  std::memcpy(&verifier, bytes, sizeof verifier);
  return verifier;
}

}  // namespace

WrittenFile::WrittenFile(std::shared_ptr<WrittenVolume> volume, const FileHandle& handle)
    : volume_(std::move(volume)), handle_(handle), pending_(volume_->spare) {
  if (volume_->accounting) charge_.emplace(volume_->accounting);
}

WrittenFile::~WrittenFile() { volume_->held_bytes -= counted_bytes_; }

WrittenFile::Steps WrittenFile::decide() {
  Steps steps;
  decide_truncation(steps);
  if (pending_.unstable_bytes() >= kCommitAtBytes) pending_.commit_soon();
  decide_changes(steps);
  while (in_flight_ < kMostWritesInFlight && !kept_.is_sending()) {
    const auto write = pending_.next_write();
    if (!write) break;
    ++in_flight_;
    steps.writes.push_back(*write);
  }
  steps.has_commit = pending_.next_commit();
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const auto now = waiter++;
    if (!pending_.is_stable(now->token) || !kept_.is_settled(now->changes)) continue;
    steps.done.push_back(std::move(now->done));
    waiters_.erase(now);
  }
  if (charge_ && !pending_.has_unsent()) charge_->all_sent();
  if (charge_ && pending_.is_empty()) charge_->all_committed();
  const std::uint64_t held = pending_.held_bytes();
  volume_->held_bytes += held - counted_bytes_;  // modulo 2^64: it may be less
  counted_bytes_ = held;
  return steps;
}

void WrittenFile::perform(Steps steps) {
  for (const PendingWrites::Write& write : steps.writes) send(write);
  if (steps.has_commit) send_commit();
  if (steps.changes) send_changes(*steps.changes);
  for (const auto& done : steps.done) done(0);
}

std::shared_ptr<Ticket> WrittenFile::ticket_of_ours(std::optional<Identity> who) {
  auto ticket = std::make_shared<Ticket>();
  if (!who) {
    std::scoped_lock lock(mutex_);
    who = writer_;
  }
  ticket->identity = *who;
  if (volume_->soft_deadline) ticket->deadline = Clock::now() + *volume_->soft_deadline;
  return ticket;
}

void WrittenFile::send(const PendingWrites::Write& write) {
  submit<Write>(
      ticket_of_ours(),
      [handle = handle_, write](WRITE3args& to) {
        to.file = handle.raw();
        to.offset = write.offset;
        to.count = static_cast<count3>(write.data.size());
        to.stable = write.is_stable ? FILE_SYNC : UNSTABLE;
        to.data.data_len = static_cast<u_int>(write.data.size());
        to.data.data_val = const_cast<char*>(reinterpret_cast<const char*>(write.data.data()));
      },
      [self = shared_from_this(), number = write.number, offset = write.offset](
          Result<WRITE3res*> reply, bool) {
        self->after([&] {
          --self->in_flight_;
          if (!reply) return self->pending_.write_failed(number, reply.error().code);
          const WRITE3resok& written = (*reply)->WRITE3res_u.resok;
          self->was_taken(offset + written.count);
          self->pending_.written(number, {.count = written.count,
                                          .is_stable = written.committed != UNSTABLE,
                                          .verifier = verifier_of(written.verf)});
          self->account_for({offset, offset + written.count}, written.file_wcc.after);
        });
      });
}

void WrittenFile::send_commit() {
  submit<Commit>(
      ticket_of_ours(), [handle = handle_](COMMIT3args& to) { to.file = handle.raw(); },
      [self = shared_from_this(), sent_at = Clock::now()](Result<COMMIT3res*> reply, bool) {
        self->after([&] {
          if (!reply) return self->pending_.commit_failed(reply.error().code);
          const COMMIT3resok& committed = (*reply)->COMMIT3res_u.resok;
          self->pending_.committed(verifier_of(committed.verf));
          self->account_for(committed.file_wcc.after, sent_at);
        });
      });
}

bool WrittenFile::write(const std::shared_ptr<Ticket>& ticket, std::span<const std::byte> data,
                        Place place, Room room, WriteErrors::Cursor& cursor,
                        Answer<std::size_t>& answer) {
  bool must_wait = false;
  std::size_t fits = 0;
  after([&] {
    const std::uint64_t offset = place.append_to ? pending_.size(*place.append_to) : place.offset;
    fits = pay({offset, offset + data.size()}, room);
    if (fits == 0) return;
    writer_ = ticket->identity;
    ::clock_gettime(CLOCK_REALTIME, &written_at_);
    kept_.wrote();
    pending_.write(offset, data.first(fits));
    ++writes_;
    must_wait =
        pending_.writes_through() || volume_->held_bytes.load() > WrittenVolume::kMostHeldBytes;
  });
  if (fits == 0) return false;
  if (!must_wait) {
    push_soon();
    answer.complete(fits);
    return true;
  }
  flush(ticket, &cursor, [fits, answer = std::move(answer)](Result<void> flushed) mutable {
    if (!flushed) return answer.complete(failure(flushed.error()));
    return answer.complete(fits);
  });
  return true;
}

void WrittenFile::flush(const std::shared_ptr<Ticket>& ticket, WriteErrors::Cursor* cursor,
                        Answer<void> answer) {
  bool is_over = false;
  int told = 0;
  {
    std::scoped_lock lock(mutex_);
    is_over = pending_.is_empty() && !kept_.has_any();
    if (is_over && cursor) told = pending_.errors().tell(*cursor);
  }
  if (is_over) {
    if (told != 0)
      answer.fail(told);
    else
      answer.complete({});
    return;
  }
  auto shared = std::make_shared<Answer<void>>(std::move(answer));
  Waiter waiter;
  after([&] {
    waiter.token = begin_flush();
    waiter.changes = kept_.last();
  });
  waiter.done = [self = shared_from_this(), cursor, shared](int error) {
    if (error == 0 && cursor) {
      std::scoped_lock lock(self->mutex_);
      error = self->pending_.errors().tell(*cursor);
    }
    if (error != 0)
      shared->fail(error);
    else
      shared->complete({});
  };
  wait_for(ticket, std::move(waiter));
}

PendingWrites::Token WrittenFile::begin_flush() {
  const PendingWrites::Token token = pending_.flush();
  if (kept_.has_any()) kept_behind_ = token;
  return token;
}

// Whoever comes first, the server's answers or the alarm, ends the wait.
void WrittenFile::wait_for(const std::shared_ptr<Ticket>& ticket, Waiter waiter) {
  const auto session = volume_->session.lock();
  if (!session) return waiter.done(EIO);
  auto is_over = std::make_shared<std::atomic<bool>>(false);
  waiter.done = [is_over, done = std::move(waiter.done)](int error) {
    if (!is_over->exchange(true)) done(error);
  };
  session->submit_elsewhere(std::make_unique<Alarm>(ticket, waiter.done, is_over));
  after([&] { waiters_.push_back(std::move(waiter)); });
}

void WrittenFile::push_soon() {
  {
    std::scoped_lock lock(mutex_);
    if (is_push_due_ || (!pending_.has_resting() && !kept_.has_any())) return;
    is_push_due_ = true;
  }
  const auto session = volume_->session.lock();
  if (!session) return;
  auto ticket = std::make_shared<Ticket>();
  ticket->deadline = Clock::now() + kGather;
  session->submit_elsewhere(
      std::make_unique<Alarm>(std::move(ticket), [self = shared_from_this()](int) {
        self->after([&] {
          self->is_push_due_ = false;
          self->pending_.push();
          if (self->kept_.has_any()) self->begin_flush();
        });
      }));
}

WriteErrors::Cursor WrittenFile::open() {
  std::scoped_lock lock(mutex_);
  ++opens_;
  return pending_.errors().open();
}

void WrittenFile::closed() {
  after([&] {
    if (!pending_.is_empty() || kept_.has_any()) begin_flush();
    if (--opens_ == 0) kept_.keep_no_more();
  });
}

WrittenFile::Loss WrittenFile::loss() {
  std::scoped_lock lock(mutex_);
  const WriteErrors& errors = pending_.errors();
  return {.bytes = pending_.unsafe_bytes() + errors.untold_bytes(),
          .has_changes = kept_.has_any() || (errors.has_untold() && errors.untold_bytes() == 0),
          .error = errors.has_untold() ? errors.latest() : 0};
}

std::optional<WrittenFile::View> WrittenFile::view(std::uint64_t offset, std::size_t size) {
  std::scoped_lock lock(mutex_);
  if (pending_.is_empty()) return std::nullopt;
  View seen;
  seen.end = pending_.size(0);
  seen.overlay = pending_.overlay({offset, offset + size});
  if (seen.overlay.parts.empty() && seen.end <= offset) return std::nullopt;
  return seen;
}

std::optional<std::uint64_t> WrittenFile::settled_writes() {
  std::scoped_lock lock(mutex_);
  return pending_.is_empty() ? std::optional(writes_) : std::nullopt;
}

void WrittenFile::lay_over(const View& seen, std::uint64_t offset, std::span<std::byte> contents) {
  std::scoped_lock lock(mutex_);
  seen.overlay.lay_over(offset, contents);
}

void WrittenFile::was_taken(std::uint64_t end) {
  const Clock::time_point now = Clock::now();
  if (now - taken_at_ > kLongestAnswer) taken_end_ = 0;
  taken_end_ = std::max(taken_end_, end);
  taken_at_ = now;
}

void WrittenFile::correct(Attributes& attributes, Clock::time_point asked_at) {
  std::scoped_lock lock(mutex_);
  if (asked_at >= mode_asked_at_) {
    mode_asked_at_ = asked_at;
    may_have_set_id_.store((attributes.mode & (S_ISUID | S_ISGID)) != 0, std::memory_order_relaxed);
  }
  if (charge_)
    tell_charge(attributes.blocks * 512, static_cast<std::uint64_t>(attributes.size), asked_at);
  add_what_is_newer(attributes, asked_at);
}

void WrittenFile::add_what_is_newer(Attributes& attributes, Clock::time_point asked_at) {
  if (asked_at <= taken_at_)
    attributes.size = std::max(attributes.size, static_cast<off_t>(taken_end_));
  if (!pending_.is_empty())
    attributes.size =
        static_cast<off_t>(pending_.size(static_cast<std::uint64_t>(attributes.size)));
  if (pending_.has_unsent() && is_later(written_at_, attributes.mtime)) {
    attributes.mtime = written_at_;
    if (is_later(written_at_, attributes.ctime)) attributes.ctime = written_at_;
  }
  kept_.lay_over(attributes, asked_at);
}

}  // namespace claimfs::backends::nfs
