#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

#include "backends/nfs/held_pieces.h"

namespace claimfs::backends::nfs {

// A set of bytes of a file, as ranges that neither overlap nor touch. Calls cost O(log n), and what
// they visit or take away.
class RangeSet {
 public:
  void add(ByteRange range);
  void remove(ByteRange range);
  void clear();

  std::uint64_t bytes() const { return bytes_; }
  std::size_t count() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  // Drops the last range.
  void drop_last();

  // Calls use(part) for each part of the range that is in the set, and use(gap) for each that is
  // not, in order.
  template <class Use>
  void visit(ByteRange range, Use use) const {
    for (auto next = first_behind(range.begin); next != ends_.end(); ++next) {
      const ByteRange part{std::max(next->first, range.begin), std::min(next->second, range.end)};
      if (part.begin >= range.end) return;
      use(part);
    }
  }
  template <class Use>
  void visit_gaps(ByteRange range, Use use) const {
    std::uint64_t seen = range.begin;
    visit(range, [&](ByteRange part) {
      if (part.begin > seen) use(ByteRange{seen, part.begin});
      seen = part.end;
    });
    if (seen < range.end) use(ByteRange{seen, range.end});
  }

 private:
  using Ends = std::map<std::uint64_t, std::uint64_t>;  // of each range, by its beginning

  // The first range that ends behind this.
  Ends::const_iterator first_behind(std::uint64_t begin) const;

  Ends ends_;
  std::uint64_t bytes_ = 0;
};

}  // namespace claimfs::backends::nfs
