#include "backends/nfs/written_file.h"

// What a file's data costs its volume.
namespace claimfs::backends::nfs {

namespace {

// ZFS says what a file occupies once it has written its group of transactions, every five seconds.
constexpr Clock::duration kSettling = std::chrono::seconds(10);

}  // namespace

std::size_t WrittenFile::pay(ByteRange range, Room room) {
  if (!charge_) return range.length();
  const std::uint64_t price = charge_->price(range);
  if (price == 0) return range.length();
  const std::uint64_t kept = volume_->accounting->slop();
  room.reserved.fill(price + kept);
  if (room.must_be_enough && room.reserved.bytes() < price + kept) return 0;
  return charge_->pay(range, room.reserved, kept);
}

std::uint64_t WrittenFile::price(Place place, std::size_t size) {
  std::scoped_lock lock(mutex_);
  if (!charge_) return 0;
  const std::uint64_t offset = place.append_to ? pending_.size(*place.append_to) : place.offset;
  return charge_->price({offset, offset + size}) + volume_->accounting->slop();
}

void WrittenFile::account_for(ByteRange taken, const post_op_attr& after) {
  if (!charge_) return;
  charge_->taken(taken, pending_.is_sent(taken));
  if (after.attributes_follow == 0) return;
  const fattr3& told = after.post_op_attr_u.attributes;
  charge_->told({.used = told.used, .size = told.size});
}

void WrittenFile::account_for(const post_op_attr& after, Clock::time_point asked_at) {
  if (after.attributes_follow == 0) return;
  const fattr3& told = after.post_op_attr_u.attributes;
  tell_charge(told.used, told.size, asked_at);
}

void WrittenFile::tell_charge(std::uint64_t used, std::uint64_t size, Clock::time_point asked_at) {
  if (!charge_ || asked_at <= truncated_at_) return;
  const bool is_fresh = asked_at > taken_at_ && in_flight_ == 0;
  charge_->told({.used = used,
                 .size = size,
                 .is_fresh = is_fresh,
                 .is_settled = is_fresh && asked_at - taken_at_ > kSettling});
}

bool WrittenFile::has_set_aside() {
  std::scoped_lock lock(mutex_);
  return charge_ && charge_->set_aside() > 0;
}

bool WrittenFile::needs_word() {
  std::scoped_lock lock(mutex_);
  return charge_ && charge_->needs_word();
}

bool WrittenFile::is_unchanged_since(Clock::time_point asked_at) {
  std::scoped_lock lock(mutex_);
  return pending_.is_empty() && in_flight_ == 0 && asked_at > taken_at_ && asked_at > truncated_at_;
}

void WrittenFile::was_removed(std::uint64_t used, Accounting::Since since) {
  std::scoped_lock lock(mutex_);
  if (charge_) charge_->gone(used, since);
}

}  // namespace claimfs::backends::nfs
