#include "backends/host_path/accounting.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "backends/host_path/allocation.h"
#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

constexpr std::uint64_t kBlock = 4096;
// What a filesystem may need for its own purposes at once: a new leaf in each level of an extent
// tree, a block of a directory. A sixteenth of a small volume's percent must do.
constexpr std::uint64_t kSlop = 16 * 1024;
constexpr std::uint64_t kSlopShare = 128;
// ext4 makes the blocks of an extent tree when it writes back, seconds after the write: of 340
// extents each, half full at worst.
constexpr std::uint64_t kMetadataShare = 128;

constexpr std::uint64_t kMostAtOnce = INT64_MAX / 2;
// How long a writer waits for what others hold, and will mostly give back.
constexpr int kPatience = 10;
constexpr std::chrono::microseconds kPause{500};
// More files than this at once are left to the counts.
constexpr std::size_t kMostMapped = 1024;

std::uint64_t rounded(std::uint64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

std::int64_t bytes_of(const struct stat& found) {
  return static_cast<std::int64_t>(found.st_blocks) * 512;
}

}  // namespace

Accounting::Accounting(CapacityOptions options)
    : capacity_(options.bytes),
      report_full_(std::move(options.report_full)),
      shared_(std::move(options.bound)) {}

Result<void> Accounting::start() {
  std::scoped_lock lock(asking_);
  is_ending_ = false;
  const std::optional<std::uint64_t> bound = TRY(shared_->join());
  is_counted_ = bound.has_value();
  bound_.store(bound.value_or(0));
  is_active_.store(true);
  return {};
}

void Accounting::set_count(UsageCount& count) {
  std::scoped_lock lock(count_lock_);
  count_ = &count;
}

void Accounting::call_for_look() {
  if (is_looked_after_.exchange(true)) return;
  std::scoped_lock lock(count_lock_);
  if (count_) count_->poke();
}

void Accounting::gone(std::uint64_t bytes) {
  ledger_.shrank(bytes);
  call_for_look();
}

void Accounting::end() {
  {
    std::scoped_lock lock(asking_);
    is_ending_ = true;
  }
  counted_.notify_all();
  std::scoped_lock lock(count_lock_);
  count_ = nullptr;
}

void Accounting::leave() {
  if (!is_active_.exchange(false)) return;
  std::scoped_lock lock(asking_);
  shared_->leave(ledger_.withdraw(kMostAtOnce));
}

std::uint64_t Accounting::used_bytes() const {
  const std::int64_t unspent = ledger_.state().unspent;
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, static_cast<std::int64_t>(bound_.load()) - unspent));
}

Result<Reservation> Accounting::reserve(std::uint64_t wanted, std::uint64_t least) {
  wanted = std::min(wanted, kMostAtOnce);
  least = std::min(least, kMostAtOnce);
  Reservation room(ledger_);
  room.fill(wanted);
  if (room.bytes() == wanted) return room;
  TRY_VOID(ask(room, wanted, least));
  for (int i = 0; i < kPatience && room.bytes() < wanted; ++i) {
    if (ledger_.taken() <= room.bytes()) break;
    std::this_thread::sleep_for(kPause);
    TRY_VOID(ask(room, wanted, least));
  }
  // What others have removed beside us is room as well.
  if (room.bytes() < wanted && count_->bytes()) TRY_VOID(ask(room, wanted, least));
  return room;
}

Result<void> Accounting::ask(Reservation& room, std::uint64_t wanted, std::uint64_t least) {
  std::unique_lock lock(asking_);
  counted_.wait(lock, [this] { return is_counted_ || is_ending_ || count_failure_; });
  if (is_ending_) return failure(EIO);
  if (!is_counted_) {
    count_->want();
    return failure(*std::exchange(count_failure_, std::nullopt));
  }
  room.fill(wanted);  // whoever asked before may have brought enough
  if (room.bytes() == wanted) return {};
  const std::uint64_t need = wanted - room.bytes();
  const std::uint64_t capacity = capacity_.load();
  std::uint64_t debt = 0;
  std::uint64_t granted = 0;
  const std::uint64_t bound = TRY(shared_->change([&](std::uint64_t current) {
    debt = ledger_.debt();
    const std::uint64_t free = capacity > current + debt ? capacity - current - debt : 0;
    granted = room.bytes() + free < least ? 0 : chunk_for(free, need);
    return current + debt + granted;
  }));
  bound_.store(bound);
  ledger_.grant(debt + granted);
  room.fill(wanted);
  if (granted > 0) call_for_look();  // is it used?
  return {};
}

tl::unexpected<Error> Accounting::refuse_for_room() {
  if (!is_full_.exchange(true)) {
    is_looked_after_.store(false);  // to report it takes no second
    call_for_look();
  }
  return failure(ENOSPC);
}

std::uint64_t Accounting::worst_case(std::uint64_t bytes) const {
  const std::uint64_t slop = std::min(kSlop, rounded(capacity_.load() / kSlopShare));
  // It may begin and end in the middle of a block.
  const std::uint64_t span = bytes == 0 ? 0 : rounded(std::min(bytes, kMostAtOnce)) + kBlock;
  return span + span / kMetadataShare + slop;
}

std::uint64_t Accounting::fitting(int descriptor, off_t offset, std::uint64_t length,
                                  const Reservation& room) const {
  const std::uint64_t there = allocated_prefix(descriptor, offset, length);
  if (there == length) return length;
  const std::uint64_t slop = worst_case(0);
  if (room.bytes() <= slop) return there;
  const std::uint64_t paid = (room.bytes() - slop) / (kMetadataShare + 1) * kMetadataShare;
  const std::uint64_t position = static_cast<std::uint64_t>(offset) + there;
  const std::uint64_t span = paid / kBlock * kBlock;
  const std::uint64_t in_block = position % kBlock;
  return std::min(length, there + (span > in_block ? span - in_block : 0));
}

void Accounting::take_in(Charge& charge, const struct stat& found, Reservation* room) {
  const std::int64_t now = bytes_of(found);
  const std::int64_t before = charge.bytes < 0 ? now : charge.bytes;
  charge.bytes = now;
  charge.has_holes = S_ISREG(found.st_mode) && now < found.st_size;
  if (now > before) {
    const auto grown = static_cast<std::uint64_t>(now - before);
    CapacityLedger::Payment payment;
    payment.taken = room ? room->spend(grown) : 0;
    payment.set_aside = std::min(charge.set_aside, grown - payment.taken);
    charge.set_aside -= payment.set_aside;
    charge.grown += grown;
    ledger_.grew(grown, payment);
  } else if (now < before) {
    const auto shrunk = static_cast<std::uint64_t>(before - now);
    charge.grown -= std::min(charge.grown, shrunk);
    ledger_.shrank(shrunk);
    call_for_look();
  }
  if (now != before && charge.is_nameless.load()) {
    charge.nameless_bytes.fetch_add(now - before);
    nameless_bytes_.fetch_add(now - before);
  }
  if (S_ISREG(found.st_mode)) set_aside_for(charge, room);
}

void Accounting::set_aside_for(Charge& charge, Reservation* room) {
  std::uint64_t wanted = charge.grown / kMetadataShare;
  if (charge.grown > 0 && charge.has_holes) wanted = std::max(wanted, kBlock);
  if (wanted < charge.set_aside) {
    ledger_.take_back(charge.set_aside - wanted);
    charge.set_aside = wanted;
  } else if (room && wanted > charge.set_aside) {
    const std::uint64_t more = room->spend(wanted - charge.set_aside);
    ledger_.set_aside(more);
    charge.set_aside += more;
  }
}

Change::Change(Accounting* accounting, HostInode& inode, int descriptor, Reservation& room)
    : accounting_(accounting), inode_(inode), descriptor_(descriptor), room_(room) {
  if (!accounting_) return;
  charge_ = &inode.charge(*accounting_);
  changing_ = std::shared_lock(accounting_->changing_);
  lock_ = std::unique_lock(charge_->lock);
  look(nullptr);  // what it has grown by without us is not this operation's to pay
}

Change::~Change() {
  if (!accounting_) return;
  look(&room_);
  const bool is_watched = charge_->has_holes && charge_->may_be_mapped.load();
  lock_.unlock();
  changing_.unlock();
  if (is_watched) accounting_->watch(inode_, descriptor_);
}

void Change::look(Reservation* payer) {
  if (::fstat(descriptor_, &found_) == 0) accounting_->take_in(*charge_, found_, payer);
}

bool Change::settle(int writable) {
  if (charge_->set_aside == 0 || charge_->is_preallocated) return false;
  ::fdatasync(writable);
  look(&room_);
  charge_->grown = 0;
  accounting_->ledger_.take_back(std::exchange(charge_->set_aside, 0));
  return true;
}

void Change::preallocates() {
  if (charge_) charge_->is_preallocated = true;
}

void Accounting::made(HostInode& inode, const Attributes& attributes, Reservation& room,
                      bool is_nameless) {
  Charge& charge = inode.charge(*this);
  struct stat found {};
  found.st_mode = attributes.mode;
  found.st_size = attributes.size;
  found.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  std::scoped_lock lock(charge.lock);
  charge.is_nameless.store(is_nameless);
  charge.bytes = 0;
  take_in(charge, found, &room);
}

void Accounting::may_be_mapped(HostInode& inode, int descriptor) {
  inode.charge(*this).may_be_mapped.store(true);
  Reservation none(ledger_);
  const Change look(this, inode, descriptor, none);
}

void Accounting::watch(HostInode& inode, int descriptor) {
  Fd own(::open(ProcPath(descriptor).text, O_PATH | O_CLOEXEC));
  if (!own) return;
  {
    std::scoped_lock lock(mapped_lock_);
    if (mapped_.size() >= kMostMapped || mapped_.contains(&inode)) return;
    mapped_.emplace(&inode, std::move(own));
  }
  call_for_look();
}

void Accounting::look_at_mapped() {
  std::scoped_lock lock(mapped_lock_);
  for (auto each = mapped_.begin(); each != mapped_.end();) {
    Charge& charge = each->first->charge(*this);
    struct stat found {};
    bool is_full_of_data = false;
    if (::fstat(each->second.get(), &found) == 0) {
      const std::unique_lock changing(charge.lock, std::try_to_lock);
      if (changing) take_in(charge, found, nullptr);  // else it is looked at already
      is_full_of_data = changing && !charge.has_holes;
    }
    each = is_full_of_data ? mapped_.erase(each) : std::next(each);
  }
}

void Accounting::lost_name(HostInode& inode) {
  Charge& charge = inode.charge(*this);
  // Said first: what it grows by meanwhile may be counted twice, and never not at all.
  charge.is_nameless.store(true);
  struct stat found {};
  if (inode.pinned() < 0 || ::fstat(inode.pinned(), &found) != 0 || found.st_nlink != 0) {
    charge.is_nameless.store(false);
    return;
  }
  charge.nameless_bytes.fetch_add(bytes_of(found));
  nameless_bytes_.fetch_add(bytes_of(found));
}

void Accounting::gets_name(HostInode& inode, int descriptor) {
  struct stat found {};
  if (::fstat(descriptor, &found) == 0) ledger_.moved(static_cast<std::uint64_t>(bytes_of(found)));
  Charge& charge = inode.charge(*this);
  if (charge.is_nameless.exchange(false))
    nameless_bytes_.fetch_sub(charge.nameless_bytes.exchange(0));
}

void Accounting::moves(int directory, const char* name) {
  struct stat found {};
  if (::fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (S_ISDIR(found.st_mode))
    directory_moves_.fetch_add(1);
  else
    ledger_.moved(static_cast<std::uint64_t>(bytes_of(found)));
}

void Accounting::forgotten(HostInode& inode, Charge& charge) {
  const std::shared_lock changing(changing_);
  {
    std::scoped_lock lock(mapped_lock_);
    if (const auto mapped = mapped_.find(&inode); mapped != mapped_.end()) {
      struct stat found {};
      if (::fstat(mapped->second.get(), &found) == 0) take_in(charge, found, nullptr);
      mapped_.erase(mapped);
    }
  }
  nameless_bytes_.fetch_sub(charge.nameless_bytes.load());
  struct stat found {};
  if (inode.pinned() < 0 || ::fstat(inode.pinned(), &found) != 0 || found.st_nlink != 0) {
    ledger_.lose(charge.set_aside);
    return;
  }
  ledger_.take_back(charge.set_aside);
  const std::int64_t charged = charge.bytes < 0 ? bytes_of(found) : charge.bytes;
  ledger_.shrank(static_cast<std::uint64_t>(charged));
  call_for_look();
}

}  // namespace claimfs::backends::host_path
