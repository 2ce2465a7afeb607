#include "backends/host_path/accounting.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/host_path/allocation.h"
#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

// More files than this at once are left to the counts.
constexpr std::size_t kMostMapped = 1024;

std::int64_t bytes_of(const struct stat& found) {
  return static_cast<std::int64_t>(found.st_blocks) * 512;
}

}  // namespace

void Accounting::gone(std::uint64_t bytes) {
  ledger_.shrank(bytes);
  call_for_look();
}

std::uint64_t Accounting::worst_case(std::uint64_t bytes) const {
  // It may begin and end in the middle of a block.
  const std::uint64_t span = bytes == 0 ? 0 : in_blocks(std::min(bytes, kMostRoom)) + kBlockBytes;
  return span + span / kMetadataShare + slop();
}

std::uint64_t Accounting::fitting(int descriptor, off_t offset, std::uint64_t length,
                                  const Reservation& room) const {
  const std::uint64_t there = allocated_prefix(descriptor, offset, length);
  if (there == length) return length;
  const std::uint64_t slop = worst_case(0);
  if (room.bytes() <= slop) return there;
  const std::uint64_t paid = (room.bytes() - slop) / (kMetadataShare + 1) * kMetadataShare;
  const std::uint64_t position = static_cast<std::uint64_t>(offset) + there;
  const std::uint64_t span = paid / kBlockBytes * kBlockBytes;
  const std::uint64_t in_block = position % kBlockBytes;
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
  if (charge.grown > 0 && charge.has_holes) wanted = std::max(wanted, kBlockBytes);
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

bool Accounting::look_at_files() {
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
  return !mapped_.empty();
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
    moves_.fetch_add(1);
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
