#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backends/host_path/allocation.h"
#include "backends/host_path/backend.h"

// What makes files grow, within the volume's capacity where that is accounted.
namespace claimfs::backends::host_path {

namespace {

// A longer copy is made in parts: room is reserved for each.
constexpr std::size_t kLongestCopy = std::size_t{64} << 20;
// One look at where a file's blocks are.
constexpr std::uint64_t kPart = std::uint64_t{1} << 30;

Result<std::size_t> put(int descriptor, std::span<const std::byte> data, off_t offset,
                        bool append) {
  std::size_t total = 0;
  while (total < data.size()) {
    const iovec rest{const_cast<std::byte*>(data.data()) + total, data.size() - total};
    const ssize_t put = ::pwritev2(descriptor, &rest, 1, offset + static_cast<off_t>(total),
                                   append ? RWF_APPEND : 0);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && total == 0) return failure_from_errno();
    if (put <= 0) break;
    total += static_cast<std::size_t>(put);
  }
  return total;
}

bool may_take_blocks(int mode) {
  return (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) == 0;
}

// What of a range has no blocks yet.
std::uint64_t missing_blocks(int descriptor, off_t offset, off_t length) {
  std::uint64_t missing = 0;
  auto left = static_cast<std::uint64_t>(length);
  while (left > 0) {
    const std::uint64_t part = std::min(left, kPart);
    const std::uint64_t there = allocated_prefix(descriptor, offset, part);
    // A hole ends with a block, or later.
    const std::uint64_t hole = there == part ? 0 : std::min<std::uint64_t>(part - there, 4096);
    missing += hole;
    offset += static_cast<off_t>(there + hole);
    left -= there + hole;
  }
  return missing;
}

}  // namespace

Result<std::size_t> HostPathBackend::write_within(HostFile& file, int descriptor,
                                                  std::span<const std::byte> data, off_t offset,
                                                  bool append) {
  if (!accounting_) return within_quota([&] { return put(descriptor, data, offset, append); });
  const std::uint64_t worst = accounting_->worst_case(data.size());
  Reservation room = TRY(accounting_->reserve(worst, 0));
  Change change(accounting_, file.inode(), descriptor, room);
  if (room.bytes() >= worst) return put(descriptor, data, offset, append);
  const auto fitting = [&] {
    return accounting_->fitting(descriptor, append ? change.size() : offset, data.size(), room);
  };
  std::uint64_t fits = fitting();
  if (fits == 0 && change.settle(descriptor)) {
    room.fill(worst);
    fits = fitting();
  }
  if (fits == 0) return accounting_->refuse_for_room();
  return put(descriptor, data.first(fits), offset, append);
}

Result<void> HostPathBackend::allocate_within(HostFile& file, int descriptor, int mode,
                                              off_t offset, off_t length) {
  const auto allocate = [&]() -> Result<void> {
    if (::fallocate(descriptor, mode, offset, length) != 0) return failure_from_errno();
    return {};
  };
  if (!accounting_) return within_quota(allocate);
  const bool takes = may_take_blocks(mode);
  const std::uint64_t worst =
      accounting_->worst_case(takes ? static_cast<std::uint64_t>(length) : 0);
  Reservation room = TRY(accounting_->reserve(worst, takes ? worst : 0));
  if (takes && room.bytes() < worst) {
    const std::uint64_t exact = accounting_->worst_case(missing_blocks(descriptor, offset, length));
    if (exact < worst) room.fill(exact);
    if (room.bytes() < exact) return accounting_->refuse_for_room();
  }
  Change change(accounting_, file.inode(), descriptor, room);
  if (takes) change.preallocates();
  return allocate();
}

Result<std::size_t> HostPathBackend::copy_within(int from, off_t from_offset, HostFile& to,
                                                 int descriptor, off_t to_offset,
                                                 std::size_t length) {
  const auto copy = [&](std::size_t most) -> Result<std::size_t> {
    const ssize_t copied = ::copy_file_range(from, &from_offset, descriptor, &to_offset, most, 0);
    if (copied < 0) return failure_from_errno();
    return static_cast<std::size_t>(copied);
  };
  if (!accounting_) return within_quota([&] { return copy(length); });
  length = std::min(length, kLongestCopy);
  const std::uint64_t worst = accounting_->worst_case(length);
  Reservation room = TRY(accounting_->reserve(worst, 0));
  const Change change(accounting_, to.inode(), descriptor, room);
  std::uint64_t fits = length;
  if (room.bytes() < worst) fits = accounting_->fitting(descriptor, to_offset, length, room);
  if (fits == 0 && length > 0) return accounting_->refuse_for_room();
  return copy(fits);
}

}  // namespace claimfs::backends::host_path
