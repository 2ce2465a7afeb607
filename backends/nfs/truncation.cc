// The size of a file that is written to, set in turn with its data.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <utility>

#include "backends/nfs/alarm.h"
#include "backends/nfs/written_file.h"

namespace claimfs::backends::nfs {

void WrittenFile::set_size(const std::shared_ptr<Ticket>& ticket, std::uint64_t size,
                           std::function<void(int error)> go) {
  std::uint64_t number = 0;
  auto is_over = std::make_shared<std::atomic<bool>>(false);
  after([&] {
    number = next_truncation_++;
    truncations_.push_back(
        {.number = number, .size = size, .go = [is_over, go = std::move(go)](int error) {
           is_over->store(true);
           go(error);
         }});
  });
  // Mostly it is on its way already.
  if (is_over->load()) return;
  const auto session = volume_->session.lock();
  if (!session) return give_up_truncation(number, EIO);
  session->submit_elsewhere(std::make_unique<Alarm>(
      ticket,
      [self = shared_from_this(), number](int error) { self->give_up_truncation(number, error); },
      is_over));
}

// One at a time, and not while data behind the size is in flight: it would grow the file again.
void WrittenFile::decide_truncation(Steps& steps) {
  if (truncations_.empty()) return;
  Truncation& first = truncations_.front();
  if (!first.has_begun) pending_.begin_truncation(first.size);
  first.has_begun = true;
  if (first.is_sent || !pending_.truncation_may_go()) return;
  first.is_sent = true;
  steps.done.push_back(first.go);
}

void WrittenFile::end_truncation(PendingWrites::Truncation how) {
  pending_.end_truncation(how);
  truncations_.pop_front();
}

void WrittenFile::size_was_set(std::uint64_t size, std::optional<std::uint64_t> used) {
  after([&] {
    taken_end_ = std::min(taken_end_, size);
    truncated_at_ = Clock::now();
    kept_.wrote();
    kept_.keep_no_more();
    if (charge_) charge_->truncated(size, used);
    if (!truncations_.empty() && truncations_.front().is_sent)
      end_truncation(PendingWrites::Truncation::Done);
  });
}

void WrittenFile::size_was_not_set() {
  after([&] {
    if (!truncations_.empty() && truncations_.front().is_sent)
      end_truncation(PendingWrites::Truncation::Failed);
  });
}

// Of one that is sent the call has the same ticket, and says what became of it.
void WrittenFile::give_up_truncation(std::uint64_t number, int error) {
  std::function<void(int)> go;
  after([&] {
    const auto at = std::ranges::find(truncations_, number, &Truncation::number);
    if (at == truncations_.end() || at->is_sent) return;
    go = std::move(at->go);
    if (at->has_begun)
      end_truncation(PendingWrites::Truncation::Failed);
    else
      truncations_.erase(at);
  });
  if (go) go(error);
}

}  // namespace claimfs::backends::nfs
