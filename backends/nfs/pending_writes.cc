#include "backends/nfs/pending_writes.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace claimfs::backends::nfs {

namespace {

// What a piece costs beside its bytes: nodes of the map and of an index, the buffer's head.
constexpr std::uint64_t kBytesPerPiece = 256;

// Data that so many restarts have lost is sent stable, so that even a server whose verifiers never
// agree (several behind one address) makes progress.
constexpr std::uint8_t kMostLosses = 2;

constexpr std::uint64_t kNoStream = std::numeric_limits<std::uint64_t>::max();

ByteRange from(std::uint64_t offset) { return {offset, std::numeric_limits<std::uint64_t>::max()}; }

// What of the range is here and not in `parts` yet; leaves in `missing` what is not.
void add_parts(const HeldPieces& layer, std::vector<ByteRange>& missing,
               std::vector<Overlay::Part>& parts) {
  if (layer.empty()) return;
  std::vector<ByteRange> still_missing;
  for (const ByteRange& range : missing) {
    std::uint64_t seen = range.begin;
    layer.visit(range, [&](const Piece& piece) {
      const std::uint64_t begin = std::max(piece.offset, range.begin);
      const std::uint64_t end = std::min(piece.end(), range.end);
      if (begin > seen) still_missing.push_back({seen, begin});
      parts.push_back(
          {begin, piece.bytes().subspan(begin - piece.offset, end - begin), piece.buffer});
      seen = end;
    });
    if (seen < range.end) still_missing.push_back({seen, range.end});
  }
  missing = std::move(still_missing);
}

}  // namespace

void Overlay::lay_over(std::uint64_t offset, std::span<std::byte> contents) const {
  for (const Part& part : parts) {
    const std::uint64_t begin = std::max(part.offset, offset);
    const std::uint64_t end = std::min(part.offset + part.bytes.size(), offset + contents.size());
    if (begin >= end) continue;
    std::memcpy(contents.data() + (begin - offset), part.bytes.data() + (begin - part.offset),
                end - begin);
  }
}

PendingWrites::PendingWrites(std::shared_ptr<SpareBuffers> spare)
    : write_size_(spare->block_bytes()),
      unsent_(spare),
      in_flight_(spare),
      unstable_(spare),
      committing_(spare),
      stream_end_(kNoStream) {}

// ----- gathering

void PendingWrites::write(std::uint64_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const std::size_t room = write_size_ - offset % write_size_;
    const auto now = data.first(std::min(room, data.size()));
    // A stream fills the next block, too: it is made in one piece, and nothing is copied twice.
    const std::size_t reserve = offset == stream_end_ ? write_size_ : now.size();
    const std::uint64_t piece = unsent_.put(offset, now, epoch_, reserve);
    offset += now.size();
    data = data.subspan(now.size());
    if (!unsent_.is_block_full(piece)) continue;
    if (now.size() == room) stream_end_ = offset;
    if (unsent_.at(piece).standing == Standing::Resting)
      unsent_.set_standing(piece, Standing::Ready);
  }
}

PendingWrites::Token PendingWrites::push() {
  unsent_.ready_all();
  return epoch_++;
}

PendingWrites::Token PendingWrites::flush() {
  const Token token = push();
  flushes_.insert(token);
  settle_flushes();
  return token;
}

void PendingWrites::push(ByteRange range) {
  unsent_.change_standing(range, Standing::Resting, Standing::Ready);
}

// ----- sending

bool PendingWrites::is_blocked(const Piece& piece) const {
  return (truncated_size_ && piece.end() > *truncated_size_) ||
         in_flight_.first_in(piece.range()) != nullptr;
}

bool PendingWrites::is_alone(const Piece& piece) const {
  return !flushes_.empty() && piece.epoch <= *flushes_.begin() && is_empty();
}

std::optional<PendingWrites::Write> PendingWrites::next_write() {
  while (const auto offset = unsent_.first_ready()) {
    if (is_blocked(unsent_.at(*offset))) {
      unsent_.set_standing(*offset, Standing::Blocked);
      continue;
    }
    const ByteRange run =
        unsent_.run_around(*offset, [this](const Piece& piece) { return !is_blocked(piece); });
    Piece piece = unsent_.take_run(run);
    // One WRITE that is all a flush waits for: stable at once is a round trip less than a COMMIT.
    const bool is_stable = piece.losses >= kMostLosses || is_alone(piece);
    piece.standing = Standing::None;
    const Write write{.number = next_number_++,
                      .offset = piece.offset,
                      .data = piece.bytes(),
                      .is_stable = is_stable};
    offsets_in_flight_.emplace(write.number, write.offset);
    in_flight_.insert(std::move(piece));
    return write;
  }
  return std::nullopt;
}

bool PendingWrites::next_commit() {
  settle_flushes();
  if (is_commit_in_flight_ || unstable_.empty()) {
    // What was wanted has been committed already, or is lost and sent again.
    if (!is_commit_in_flight_) is_commit_wanted_ = false;
    return false;
  }
  const bool is_flushing = !flushes_.empty() && is_sent(*flushes_.begin());
  if (!is_flushing && !is_commit_wanted_) return false;
  std::swap(committing_, unstable_);
  committing_verifier_ = unstable_verifier_;
  is_commit_in_flight_ = true;
  is_commit_wanted_ = false;
  return true;
}

bool PendingWrites::truncation_may_go() const {
  return truncated_size_ && in_flight_.end() <= *truncated_size_;
}

// ----- answers

Piece PendingWrites::take_in_flight(std::uint64_t number) {
  const auto found = offsets_in_flight_.find(number);
  assert(found != offsets_in_flight_.end() && "a WRITE is answered once");
  Piece piece = in_flight_.take(found->second);
  offsets_in_flight_.erase(found);
  unsent_.change_standing(piece.range(), Standing::Blocked, Standing::Ready);
  return piece;
}

void PendingWrites::written(std::uint64_t number, const WriteReply& reply) {
  Piece piece = take_in_flight(number);
  if (reply.count == 0 || reply.count > piece.length) return failed(EIO, piece.length);
  if (number >= first_after_failure_) is_failing_ = false;

  // Older versions of these bytes would undo them if they were sent again; first of all, since the
  // verifier may say that they are lost.
  const ByteRange taken{piece.offset, piece.offset + reply.count};
  const Epoch older = unstable_.carve(taken).epoch;
  if (reply.is_stable) committing_.carve(taken);
  if (reply.count < piece.length) {
    const std::array newer{&unsent_};
    send_again(piece.part({taken.end, piece.end()}), newer);
    piece = piece.part(taken);
  }
  heard(reply.verifier);
  if (reply.is_stable) return;
  piece.epoch = std::min(piece.epoch, older);
  unstable_.insert(std::move(piece));
  unstable_verifier_ = reply.verifier;
}

void PendingWrites::write_failed(std::uint64_t number, int errno_code) {
  failed(errno_code, take_in_flight(number).length);
}

void PendingWrites::failed(int errno_code, std::uint64_t bytes) {
  errors_.happened(errno_code, bytes);
  is_failing_ = true;
  first_after_failure_ = next_number_;
}

// A server that has restarted has lost what it had not committed.
void PendingWrites::heard(Verifier verifier) {
  if (!unstable_.empty() && verifier != unstable_verifier_) lose(unstable_);
}

void PendingWrites::committed(Verifier verifier) {
  assert(is_commit_in_flight_);
  is_commit_in_flight_ = false;
  heard(verifier);
  if (verifier == committing_verifier_)
    committing_.take_all();
  else
    lose(committing_);
}

void PendingWrites::commit_failed(int errno_code) {
  assert(is_commit_in_flight_);
  is_commit_in_flight_ = false;
  const std::uint64_t bytes = committing_.bytes();
  committing_.take_all();
  failed(errno_code, bytes);
}

void PendingWrites::lose(HeldPieces& layer) {
  const std::array newer{&unstable_, &in_flight_, &unsent_};
  for (Piece& piece : layer.take_all()) {
    if (piece.losses < kMostLosses) ++piece.losses;
    send_again(piece, newer);
  }
}

// Newer versions that are on their way take the place of this one, and whoever waits for it waits
// for them.
void PendingWrites::send_again(const Piece& piece, std::span<HeldPieces* const> newer) {
  std::vector<ByteRange> missing{piece.range()};
  for (HeldPieces* layer : newer) {
    std::vector<ByteRange> still_missing;
    for (const ByteRange& range : missing) {
      layer->owe(range, piece.epoch);
      const auto gaps = layer->gaps(range);
      still_missing.insert(still_missing.end(), gaps.begin(), gaps.end());
    }
    missing = std::move(still_missing);
  }
  for (const ByteRange& range : missing) {
    Piece again = piece.part(range);
    again.standing = Standing::Ready;
    unsent_.insert(std::move(again));
  }
}

// ----- what ends

void PendingWrites::begin_truncation(std::uint64_t size) {
  assert(!truncated_size_ && "one truncation at a time");
  truncated_size_ = size;
}

void PendingWrites::end_truncation(Truncation how) {
  assert(truncated_size_);
  const ByteRange behind = from(*truncated_size_);
  truncated_size_.reset();
  if (how == Truncation::Done) {
    unsent_.carve(behind);
    unstable_.carve(behind);
    committing_.carve(behind);
  }
  unsent_.change_standing(behind, Standing::Blocked, Standing::Ready);
}

// ----- what is so

bool PendingWrites::is_sent(Token token) const {
  return unsent_.oldest() > token && in_flight_.oldest() > token;
}

bool PendingWrites::is_stable(Token token) const {
  return is_sent(token) && unstable_.oldest() > token && committing_.oldest() > token;
}

void PendingWrites::settle_flushes() {
  while (!flushes_.empty() && is_stable(*flushes_.begin())) flushes_.erase(flushes_.begin());
}

bool PendingWrites::is_sent(ByteRange range) const {
  return !unsent_.first_in(range) && !in_flight_.first_in(range);
}

Overlay PendingWrites::overlay(ByteRange range) const {
  Overlay made;
  std::vector<ByteRange> missing{range};
  for (const HeldPieces* layer : {&unsent_, &in_flight_, &unstable_, &committing_})
    add_parts(*layer, missing, made.parts);
  std::sort(made.parts.begin(), made.parts.end(),
            [](const auto& left, const auto& right) { return left.offset < right.offset; });
  made.is_complete = missing.empty();
  return made;
}

std::uint64_t PendingWrites::size(std::uint64_t server_size) const {
  return std::max(
      {server_size, unsent_.end(), in_flight_.end(), unstable_.end(), committing_.end()});
}

std::uint64_t PendingWrites::unsafe_bytes() const {
  return unsent_.bytes() + in_flight_.bytes() + unstable_.bytes() + committing_.bytes();
}

std::uint64_t PendingWrites::held_bytes() const {
  std::uint64_t held = unsafe_bytes();
  for (const HeldPieces* layer : {&unsent_, &in_flight_, &unstable_, &committing_})
    held += layer->count() * kBytesPerPiece;
  return held;
}

bool PendingWrites::is_sound() const {
  if (in_flight_.count() != offsets_in_flight_.size()) return false;
  if (!committing_.empty() && !is_commit_in_flight_) return false;
  return unsent_.is_sound() && in_flight_.is_sound() && unstable_.is_sound() &&
         committing_.is_sound();
}

}  // namespace claimfs::backends::nfs
