#include "backends/nfs/held_pieces.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>
#include <utility>

namespace claimfs::backends::nfs {

namespace {

bool is_urgent(Standing standing) {
  return standing == Standing::Ready || standing == Standing::Blocked;
}

// A new buffer with these bytes at its beginning.
std::shared_ptr<PieceBuffer> filled(std::shared_ptr<PieceBuffer> buffer,
                                    std::span<const std::byte> bytes) {
  std::memcpy(buffer->data.get(), bytes.data(), bytes.size());
  buffer->used = bytes.size();
  return buffer;
}

}  // namespace

Piece Piece::part(ByteRange wanted) const {
  Piece made = *this;
  made.offset = wanted.begin;
  made.length = wanted.length();
  made.start = start + (wanted.begin - offset);
  if (made.length < buffer->capacity / 2) {
    made.buffer = filled(std::make_shared<PieceBuffer>(made.length), made.bytes());
    made.start = 0;
  }
  return made;
}

void HeldPieces::Heritage::add(const Piece& piece) {
  epoch = std::min(epoch, piece.epoch);
  losses = std::max(losses, piece.losses);
  is_urgent = is_urgent || nfs::is_urgent(piece.standing);
}

HeldPieces::Pieces::const_iterator HeldPieces::first_overlapping(ByteRange range) const {
  auto at = pieces_.upper_bound(range.begin);
  if (at != pieces_.begin() && std::prev(at)->second.end() > range.begin) --at;
  return at;
}

const Piece* HeldPieces::first_in(ByteRange range) const {
  const auto at = first_overlapping(range);
  return at != pieces_.end() && at->first < range.end ? &at->second : nullptr;
}

std::vector<ByteRange> HeldPieces::gaps(ByteRange range) const {
  std::vector<ByteRange> found;
  std::uint64_t seen = range.begin;
  visit(range, [&](const Piece& piece) {
    if (piece.offset > seen) found.push_back({seen, piece.offset});
    seen = piece.end();
  });
  if (seen < range.end) found.push_back({seen, range.end});
  return found;
}

std::shared_ptr<PieceBuffer> HeldPieces::new_buffer(std::size_t capacity) const {
  return capacity == block_bytes_ ? std::make_shared<PieceBuffer>(spare_)
                                  : std::make_shared<PieceBuffer>(capacity);
}

void HeldPieces::index(const Piece& piece) {
  ++epochs_[piece.epoch];
  if (piece.standing == Standing::Ready) ready_.insert({piece.epoch, piece.offset});
  if (piece.standing == Standing::Resting) resting_.insert({piece.epoch, piece.offset});
}

void HeldPieces::unindex(const Piece& piece) {
  const auto epoch = epochs_.find(piece.epoch);
  if (--epoch->second == 0) epochs_.erase(epoch);
  if (piece.standing == Standing::Ready) ready_.erase({piece.epoch, piece.offset});
  if (piece.standing == Standing::Resting) resting_.erase({piece.epoch, piece.offset});
}

void HeldPieces::link(Piece piece) {
  index(piece);
  bytes_ += piece.length;
  if (piece.standing != Standing::None) in_blocks_[block(piece.offset)] += piece.length;
  const std::uint64_t offset = piece.offset;
  pieces_.emplace(offset, std::move(piece));
}

Piece HeldPieces::unlink(Pieces::const_iterator at) {
  Piece piece = std::move(pieces_.extract(at).mapped());
  unindex(piece);
  bytes_ -= piece.length;
  if (piece.standing != Standing::None) {
    const auto in_block = in_blocks_.find(block(piece.offset));
    if ((in_block->second -= piece.length) == 0) in_blocks_.erase(in_block);
  }
  return piece;
}

void HeldPieces::insert(Piece piece) {
  assert(piece.length > 0 && !first_in(piece.range()));
  link(std::move(piece));
}

std::uint64_t HeldPieces::put(std::uint64_t offset, std::span<const std::byte> data, Epoch epoch,
                              std::size_t reserve) {
  const ByteRange range{offset, offset + data.size()};
  const auto after = pieces_.upper_bound(offset);
  if (after != pieces_.begin()) {
    Piece& piece = std::prev(after)->second;
    if (piece.end() >= offset && block(piece.offset) == block(offset)) {
      const std::size_t inside = std::min<std::uint64_t>(piece.end() - offset, data.size());
      std::memcpy(piece.buffer->data.get() + piece.start + (offset - piece.offset), data.data(),
                  inside);
      if (inside < data.size()) extend(piece, offset + inside, data.subspan(inside));
      return piece.offset;
    }
  }
  const Heritage heritage = carve(range);
  link({.offset = offset,
        .length = data.size(),
        .buffer = filled(new_buffer(reserve), data),
        .epoch = std::min(epoch, heritage.epoch),
        .losses = heritage.losses,
        .standing = heritage.is_urgent ? Standing::Ready : Standing::Resting});
  return offset;
}

void HeldPieces::extend(Piece& piece, std::uint64_t offset, std::span<const std::byte> data) {
  Heritage heritage = carve({offset, offset + data.size()});
  heritage.add(piece);
  PieceBuffer* buffer = piece.buffer.get();
  const std::size_t end = piece.start + piece.length;
  // Nobody else's bytes are overwritten: behind a piece that was cut stand those of its other part.
  if (buffer->used != end || buffer->capacity - end < data.size()) {
    const std::size_t room = block_bytes_ - piece.offset % block_bytes_;
    const std::size_t doubled = std::min(2 * piece.length, room);
    piece.buffer = filled(new_buffer(std::max(doubled, piece.length + data.size())), piece.bytes());
    piece.start = 0;
    buffer = piece.buffer.get();
  }
  std::memcpy(buffer->data.get() + piece.start + piece.length, data.data(), data.size());
  buffer->used += data.size();

  unindex(piece);
  piece.length += data.size();
  piece.epoch = heritage.epoch;
  piece.losses = heritage.losses;
  if (heritage.is_urgent && piece.standing == Standing::Resting) piece.standing = Standing::Ready;
  index(piece);
  bytes_ += data.size();
  in_blocks_[block(piece.offset)] += data.size();
}

HeldPieces::Heritage HeldPieces::carve(ByteRange range) {
  Heritage heritage;
  auto at = first_overlapping(range);
  while (at != pieces_.end() && at->first < range.end) {
    const auto next = std::next(at);
    Piece piece = unlink(at);
    heritage.add(piece);
    // What it waited for may not be in the parts' way.
    if (piece.standing == Standing::Blocked) piece.standing = Standing::Ready;
    if (piece.offset < range.begin) link(piece.part({piece.offset, range.begin}));
    if (piece.end() > range.end) link(piece.part({range.end, piece.end()}));
    at = next;
  }
  return heritage;
}

Piece HeldPieces::take(std::uint64_t offset) { return unlink(pieces_.find(offset)); }

Piece HeldPieces::take_run(ByteRange run) {
  Piece first = take(run.begin);
  if (first.end() == run.end) return first;
  Heritage heritage;
  heritage.add(first);
  auto whole = new_buffer(run.length());
  const auto append = [&](const Piece& piece) {
    std::memcpy(whole->data.get() + whole->used, piece.bytes().data(), piece.length);
    whole->used += piece.length;
  };
  append(first);
  for (std::uint64_t at = first.end(); at < run.end;) {
    const Piece piece = take(at);
    heritage.add(piece);
    append(piece);
    at = piece.end();
  }
  first.length = run.length();
  first.buffer = std::move(whole);
  first.start = 0;
  first.epoch = heritage.epoch;
  first.losses = heritage.losses;
  return first;
}

std::vector<Piece> HeldPieces::take_all() {
  std::vector<Piece> taken;
  taken.reserve(pieces_.size());
  for (auto& [offset, piece] : pieces_) taken.push_back(std::move(piece));
  pieces_.clear();
  bytes_ = 0;
  epochs_.clear();
  ready_.clear();
  resting_.clear();
  in_blocks_.clear();
  return taken;
}

void HeldPieces::owe(ByteRange range, Epoch epoch) {
  const auto first = first_overlapping(range);
  const auto end = pieces_.lower_bound(range.end);
  for (auto at = first == pieces_.end() ? pieces_.end() : pieces_.find(first->first); at != end;
       ++at) {
    Piece& piece = at->second;
    if (piece.epoch <= epoch) continue;
    unindex(piece);
    piece.epoch = epoch;
    index(piece);
  }
}

void HeldPieces::set_standing(std::uint64_t offset, Standing standing) {
  Piece& piece = pieces_.at(offset);
  unindex(piece);
  piece.standing = standing;
  index(piece);
}

void HeldPieces::change_standing(ByteRange range, Standing from, Standing to) {
  std::vector<std::uint64_t> found;
  visit(range, [&](const Piece& piece) {
    if (piece.standing == from) found.push_back(piece.offset);
  });
  for (const std::uint64_t offset : found) set_standing(offset, to);
}

void HeldPieces::ready_all() {
  for (const auto& [epoch, offset] : resting_) pieces_.at(offset).standing = Standing::Ready;
  ready_.merge(resting_);
}

std::optional<std::uint64_t> HeldPieces::first_ready() const {
  if (ready_.empty()) return std::nullopt;
  return ready_.begin()->second;
}

bool HeldPieces::is_block_full(std::uint64_t offset) const {
  const auto in_block = in_blocks_.find(block(offset));
  return in_block != in_blocks_.end() && in_block->second == block_bytes_;
}

bool HeldPieces::is_sound() const {
  HeldPieces again(spare_);
  std::uint64_t seen = 0;
  for (const auto& [offset, piece] : pieces_) {
    if (offset != piece.offset || piece.length == 0 || offset < seen) return false;
    if (piece.start + piece.length > piece.buffer->used) return false;
    if (piece.standing != Standing::None && block(offset) != block(piece.end() - 1)) return false;
    seen = piece.end();
    again.link(piece);
  }
  return again.bytes_ == bytes_ && again.epochs_ == epochs_ && again.ready_ == ready_ &&
         again.resting_ == resting_ && again.in_blocks_ == in_blocks_;
}

}  // namespace claimfs::backends::nfs
