#include "backends/nfs/accounting.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <shared_mutex>
#include <utility>

namespace claimfs::backends::nfs {

namespace {

// More than so many are forgotten, and cost a block that they may not have grown by.
constexpr std::size_t kMostDirectories = 4096;

}  // namespace

Result<void> Accounting::start() {
  TRY_VOID(CapacityAccount::start());
  std::scoped_lock lock(mutex_);
  is_serving_ = true;
  server_ = std::thread([this] { serve(); });
  return {};
}

void Accounting::end() {
  end_waiting();
  {
    std::scoped_lock lock(mutex_);
    is_serving_ = false;
  }
  asked_.notify_all();
  if (server_.joinable()) server_.join();
  forget_count();
}

void Accounting::when_there_is_room(std::uint64_t wanted, std::uint64_t least, Use use) {
  {
    std::scoped_lock lock(mutex_);
    if (is_serving_) {
      requests_.push_back({wanted, least, std::move(use)});
      asked_.notify_all();
      return;
    }
  }
  use(failure(EIO));
}

void Accounting::ask_ahead() {
  if (is_asked_ahead_.exchange(true)) return;
  std::scoped_lock lock(mutex_);
  if (!is_serving_) return;
  requests_.emplace_back();
  asked_.notify_all();
}

// In the end, everybody who still waits hears of that.
void Accounting::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    asked_.wait(lock, [this] { return !requests_.empty() || !is_serving_; });
    if (requests_.empty()) return;
    const Request next = std::move(requests_.front());
    requests_.pop_front();
    lock.unlock();
    if (next.use) {
      next.use(reserve(next.wanted, next.least));
    } else {
      grant_ahead();
      is_asked_ahead_.store(false);
    }
    lock.lock();
  }
}

Accounting::Since Accounting::now() {
  const std::shared_lock changing(changing_);
  return {recounts_};
}

void Accounting::grew(std::uint64_t bytes, std::uint64_t set_aside) {
  const std::shared_lock changing(changing_);
  ledger_.grew(bytes, {.taken = 0, .set_aside = set_aside});
}

void Accounting::grew(std::uint64_t bytes, Reservation& room) {
  if (bytes == 0) return;
  const std::shared_lock changing(changing_);
  ledger_.grew(bytes, {.taken = room.spend(bytes), .set_aside = 0});
}

void Accounting::shrank(std::uint64_t bytes, Since known) {
  if (bytes == 0) return;
  {
    const std::shared_lock changing(changing_);
    if (known.recounts != recounts_) return;
    ledger_.shrank(bytes);
  }
  call_for_look();
}

void Accounting::take_back(std::uint64_t bytes) {
  ledger_.take_back(bytes);
  call_for_look();
}

std::uint64_t Accounting::told(const FileHandle& directory, const wcc_data& change) {
  if (change.after.attributes_follow == 0) return 0;
  const fattr3& after = change.after.post_op_attr_u.attributes;
  const std::uint64_t recounts = now().recounts;
  return directories_.with([&](auto& directories) -> std::uint64_t {
    if (directories.size() >= kMostDirectories) directories.clear();
    const auto [known, is_new] = directories.try_emplace(directory);
    const Directory before = std::exchange(known->second, Directory{after.used, recounts});
    if (!is_new && before.recounts == recounts)
      return after.used > before.used ? after.used - before.used : 0;
    const bool has_stayed = change.before.attributes_follow != 0 &&
                            change.before.pre_op_attr_u.attributes.size == after.size;
    return has_stayed ? 0 : std::min(after.used, kBlockBytes);
  });
}

void Accounting::directory_made(const FileHandle& directory, std::uint64_t used) {
  const std::uint64_t recounts = now().recounts;
  directories_.with([&](auto& directories) { directories[directory] = {used, recounts}; });
}

Accounting::Moving::Moving(std::shared_ptr<Accounting> accounting)
    : accounting_(std::move(accounting)) {
  if (!accounting_) return;
  ++accounting_->moving_;
  ++accounting_->moves_;
}

Accounting::Moving::~Moving() {
  if (!accounting_) return;
  ++accounting_->moves_;
  --accounting_->moving_;
}

}  // namespace claimfs::backends::nfs
