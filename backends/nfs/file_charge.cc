#include "backends/nfs/file_charge.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace claimfs::backends::nfs {

namespace {

// Of one file. What is not remembered costs a reservation for as long as it is on its way.
constexpr std::size_t kMostRanges = 1024;
constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();

ByteRange blocks_of(ByteRange range) {
  return {range.begin / kBlockBytes * kBlockBytes, in_blocks(range.end)};
}

std::uint64_t with_metadata(std::uint64_t bytes) { return bytes + bytes / kMetadataShare; }

// Calls use(gap) for what of the range is in neither set, in order.
template <class Use>
void visit_gaps(const RangeSet& one, const RangeSet& other, ByteRange range, Use use) {
  one.visit_gaps(range, [&](ByteRange gap) { other.visit_gaps(gap, use); });
}

}  // namespace

FileCharge::FileCharge(std::shared_ptr<Accounting> accounting)
    : accounting_(std::move(accounting)) {}

FileCharge::~FileCharge() { accounting_->lose(set_aside_); }

std::uint64_t FileCharge::price(ByteRange range) const {
  if (is_gone_) return 0;  // and so is what is written to it
  std::uint64_t missing = 0;
  visit_gaps(there_, paid_, blocks_of(range), [&](ByteRange gap) { missing += gap.length(); });
  return with_metadata(missing);
}

std::uint64_t FileCharge::pay(ByteRange range, Reservation& room, std::uint64_t kept) {
  const std::uint64_t free = room.bytes() > kept ? room.bytes() - kept : 0;
  std::uint64_t left = free / (kMetadataShare + 1) * kMetadataShare / kBlockBytes * kBlockBytes;
  // Without rounding, for a room that was made for this price.
  if (const std::uint64_t whole = price(range); whole <= free) left = kNoEnd;
  std::uint64_t end = range.end;
  std::uint64_t missing = 0;
  std::vector<ByteRange> paid;
  visit_gaps(there_, paid_, blocks_of(range), [&](ByteRange gap) {
    if (gap.begin >= end) return;
    const std::uint64_t fits = std::min(gap.length(), left - missing);
    missing += fits;
    paid.push_back({gap.begin, gap.begin + fits});
    if (fits < gap.length()) end = std::min(end, gap.begin + fits);
  });
  if (end <= range.begin) return 0;
  for (const ByteRange& part : paid) {
    paid_.add(part);
    new_.add({std::max(part.begin, in_blocks(end_)), part.end});
  }
  const std::uint64_t spent = room.spend(with_metadata(missing));
  accounting_->set_aside(spent);
  set_aside_ += spent;
  return end - range.begin;
}

void FileCharge::taken(ByteRange range, bool is_newest) {
  if (is_gone_) return;
  const ByteRange blocks = blocks_of(range);
  add_there(blocks);
  if (!is_newest) return;
  const std::uint64_t paid = paid_.bytes();
  const std::uint64_t surely = new_.bytes();
  paid_.remove(blocks);
  new_.remove(blocks);
  const auto all = static_cast<std::int64_t>(paid - paid_.bytes());
  unseen_ += all;
  doubtful_ += all - static_cast<std::int64_t>(surely - new_.bytes());
}

void FileCharge::add_there(ByteRange range) {
  there_.add(range);
  if (there_.count() > kMostRanges) there_.drop_last();
}

void FileCharge::told(const Word& word) {
  if (is_gone_) return;
  if (word.is_fresh) {
    end_ = word.size;
    there_.remove({in_blocks(word.size), kNoEnd});
  } else {
    end_ = std::max(end_, word.size);
  }
  // A file without holes has blocks everywhere.
  if (word.used >= word.size) add_there({0, in_blocks(word.size)});
  if (word.is_settled) unseen_ = 0;
  take_in(word.used, word.is_fresh);
  unseen_ -= std::clamp<std::int64_t>(unseen_, 0, std::exchange(doubtful_, 0));
  settle();
}

void FileCharge::take_in(std::uint64_t used, bool may_shrink) {
  const std::uint64_t before = used_.value_or(used);
  if (used < before && !may_shrink) return;
  used_ = used;
  const Accounting::Since said = std::exchange(said_, accounting_->now());
  if (used < before) {
    accounting_->shrank(before - used, said);
  } else if (used > before) {
    const std::uint64_t grown = used - before;
    grown_ += grown;
    unseen_ -= static_cast<std::int64_t>(grown);
    // What is set aside for data on its way stays.
    const std::uint64_t kept = on_its_way();
    const std::uint64_t over = set_aside_ > kept ? set_aside_ - kept : 0;
    const std::uint64_t payment = std::min(over, grown);
    set_aside_ -= payment;
    accounting_->grew(grown, payment);
  }
}

std::uint64_t FileCharge::on_its_way() const {
  const auto paid = static_cast<std::int64_t>(with_metadata(paid_.bytes()));
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, paid + unseen_));
}

void FileCharge::settle() {
  unseen_ = std::max(unseen_, -static_cast<std::int64_t>(paid_.bytes()));
  const std::uint64_t kept = on_its_way() + grown_ / kMetadataShare;
  if (set_aside_ <= kept) return;
  accounting_->take_back(set_aside_ - kept);
  set_aside_ = kept;
}

void FileCharge::all_sent() {
  paid_.clear();
  new_.clear();
  doubtful_ = 0;
  settle();
}

void FileCharge::all_committed() {
  grown_ = 0;
  settle();
}

void FileCharge::truncated(std::uint64_t size, std::optional<std::uint64_t> used) {
  end_ = size;
  there_.remove({in_blocks(size), kNoEnd});
  if (size == 0) unseen_ = 0;
  if (used) take_in(*used, /*may_shrink=*/true);
  settle();
}

void FileCharge::gone(std::uint64_t used, Accounting::Since since) {
  const bool is_known = used_ && said_.recounts == since.recounts;
  accounting_->shrank(is_known ? *used_ : std::min(used, used_.value_or(used)), since);
  is_gone_ = true;
  unseen_ = 0;
  grown_ = 0;
  all_sent();
}

}  // namespace claimfs::backends::nfs
