#include "backends/nfs/range_set.h"

#include <iterator>

namespace claimfs::backends::nfs {

RangeSet::Ends::const_iterator RangeSet::first_behind(std::uint64_t begin) const {
  auto next = ends_.upper_bound(begin);
  if (next == ends_.begin()) return next;
  const auto before = std::prev(next);
  return before->second > begin ? before : next;
}

void RangeSet::add(ByteRange range) {
  if (range.begin >= range.end) return;
  auto next = ends_.upper_bound(range.begin);
  if (next != ends_.begin() && std::prev(next)->second >= range.begin) --next;
  while (next != ends_.end() && next->first <= range.end) {
    range.begin = std::min(range.begin, next->first);
    range.end = std::max(range.end, next->second);
    bytes_ -= next->second - next->first;
    next = ends_.erase(next);
  }
  ends_.emplace_hint(next, range.begin, range.end);
  bytes_ += range.length();
}

void RangeSet::remove(ByteRange range) {
  if (range.begin >= range.end) return;
  auto next = first_behind(range.begin);
  while (next != ends_.end() && next->first < range.end) {
    const ByteRange whole{next->first, next->second};
    next = ends_.erase(next);
    bytes_ -= whole.length();
    if (whole.begin < range.begin) add({whole.begin, range.begin});
    if (whole.end > range.end) {
      add({range.end, whole.end});
      return;
    }
  }
}

void RangeSet::clear() {
  ends_.clear();
  bytes_ = 0;
}

void RangeSet::drop_last() {
  if (empty()) return;
  const auto last = std::prev(ends_.end());
  bytes_ -= last->second - last->first;
  ends_.erase(last);
}

}  // namespace claimfs::backends::nfs
