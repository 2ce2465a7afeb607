// Directories that are asked for before they are opened, for who walks through a tree.

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

// Who opens one that has no answer yet waits for that so long, which no signal ends; then he asks.
constexpr auto kPatience = std::chrono::milliseconds(500);

}  // namespace

void NfsBackend::ask_ahead(const FileHandle& directory, const Identity& who) {
  auto ahead = std::make_shared<ListingAhead>();
  // One that the kernel does not know would not be believed when it does.
  if (!remembered_) return;
  remembered_->with(directory.bytes(), [&](Inode& inode) { ahead->news = nfs(inode).news(); });
  if (!ahead->news) return;
  ahead->who = who;
  ahead->batch = std::make_shared<NfsDirectory::Batch>();
  ahead->batch->changes_before = ahead->news->changes();
  auto ticket = std::make_shared<Ticket>();
  ticket->identity = who;
  ticket->deadline = Clock::now() + kPatience;
  ask_for_entries(std::move(ticket), directory, ahead->news, ahead->batch, kFirstReplyBytes,
                  [ahead](const Result<std::uint64_t>& device) {
                    const auto then = ahead->answered.with([&](ListingAhead::Answered& answered) {
                      answered.is_over = true;
                      if (device) answered.device = *device;
                      return std::exchange(answered.then, nullptr);
                    });
                    if (then) then();
                    return true;
                  });
  // From here on others see it: but for the answer, which has a lock, it is complete.
  if (listings_ahead_.add(directory, ahead)) next_directories_.was_wrong();
}

// Null: there is none that would be what this caller is told.
std::shared_ptr<ListingAhead> NfsBackend::take_ahead(const FileHandle& directory,
                                                     const Identity& who) {
  auto ahead = listings_ahead_.take(directory);
  if (!ahead) return nullptr;
  if (is_same(ahead->who, who) && ahead->is_current() && is_fresh(*ahead->batch)) return ahead;
  next_directories_.was_wrong();
  return nullptr;
}

void NfsBackend::open_with(const std::shared_ptr<ListingAhead>& ahead, TicketPointer ticket,
                           const FileHandle& handle, Answer<std::unique_ptr<File>> answer) {
  auto shared = std::make_shared<Answer<std::unique_ptr<File>>>(std::move(answer));
  const auto open = [this, ahead, ticket = std::move(ticket), handle, shared] {
    const auto device = ahead->answered.with([](const auto& answered) { return answered.device; });
    if (device && ahead->is_current() && is_fresh(*ahead->batch)) {
      next_directories_.was_right();
      answer_opened(handle, ahead->news, *device, ticket->identity, ahead->batch, *shared);
    } else {
      next_directories_.was_wrong();
      open_by_asking(ticket, handle, ahead->news, std::move(*shared));
    }
  };
  const bool is_there = ahead->answered.with([&](ListingAhead::Answered& answered) {
    if (!answered.is_over) answered.then = open;
    return answered.is_over;
  });
  if (is_there) open();
}

}  // namespace claimfs::backends::nfs
