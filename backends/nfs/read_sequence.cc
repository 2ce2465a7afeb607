#include "backends/nfs/read_sequence.h"

#include <algorithm>

namespace claimfs::backends::nfs {

namespace {

// Requests that are sent one after the other may be served by several threads, in any order.
bool is_near(std::uint64_t front, std::uint64_t offset, std::size_t size) {
  return offset + 2 * size >= front && offset <= front + size;
}

}  // namespace

void ReadSequence::begin_at(std::uint64_t end, std::size_t size) {
  front_ = end;
  size_ = size;
  in_order_ = 1;
  answered_ = 0;
  lost();
}

void ReadSequence::lost() {
  asked_from_ = asked_to_ = front_;
  pieces_ = 1;
}

void ReadSequence::answered(std::chrono::steady_clock::duration after) {
  soonest_ = answered_ == 0 ? after : std::min(soonest_, after);
  ++answered_;
}

ReadSequence::Ahead ReadSequence::read(std::uint64_t offset, std::size_t size, Found found) {
  const std::uint64_t end = offset + size;
  const bool is_missing = found == Found::Nothing && offset >= asked_from_ && offset < asked_to_;
  const bool goes_on =
      in_order_ > 0 && size >= kLeastBytes && is_near(front_, offset, size) && !is_missing;
  if (!goes_on) {
    begin_at(end, size);
    return {};
  }
  in_order_ = size == size_ ? in_order_ + 1 : 1;
  size_ = size;
  front_ = std::max(front_, end);
  if (asked_to_ < front_) asked_from_ = asked_to_ = front_;
  if (!is_worth_it()) return {.goes_on = true};
  const std::uint64_t most = std::max<std::uint64_t>(kMostAhead / size, 1);
  if (found == Found::OnItsWay) pieces_ = std::min(pieces_ * 2, most);
  const std::uint64_t begin = asked_to_;
  asked_to_ = std::max(begin, front_ + pieces_ * size);
  return {.goes_on = true, .begin = begin, .end = asked_to_};
}

}  // namespace claimfs::backends::nfs
