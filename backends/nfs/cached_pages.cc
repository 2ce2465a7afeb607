#include "backends/nfs/cached_pages.h"

#include <algorithm>

namespace claimfs::backends::nfs {

namespace {

// Filesystems that count nanoseconds take them from a clock that moves with the kernel's timer,
// 100 times a second at least.
constexpr Clock::duration kTick = std::chrono::milliseconds(20);
// Others have whole seconds, or two (FAT).
constexpr Clock::duration kCoarseTick = std::chrono::milliseconds(2500);
// By so much no server's clock should differ from ours.
constexpr time_t kLongAgoSeconds = 60;

Clock::duration until_settled(const timespec& changed, const timespec& now) {
  if (changed.tv_sec < now.tv_sec - kLongAgoSeconds) return {};
  return changed.tv_nsec == 0 ? kCoarseTick : kTick;
}

}  // namespace

CachedPages::Open::Open(const Attributes& told, Clock::time_point at, const timespec& wall)
    : stamp_(stamp_of(told)), at_(at), settled_at_(at + until_settled(told.ctime, wall)) {}

bool CachedPages::may_keep(const Open& open) {
  std::scoped_lock lock(mutex_);
  if (!first_ || !(first_->stamp() == open.stamp())) {
    first_ = open;
    pages_since_.reset();
  }
  return pages_since_ && *pages_since_ >= first_->settled_at();
}

void CachedPages::dropped(const Open& open) {
  std::scoped_lock lock(mutex_);
  if (!first_ || !(first_->stamp() == open.stamp())) return;
  pages_since_ = std::max(pages_since_.value_or(open.at()), open.at());
}

}  // namespace claimfs::backends::nfs
