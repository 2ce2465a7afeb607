#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/nfs/spare_buffers.h"

namespace claimfs::backends::nfs {

// Bytes of a file: [begin, end).
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t length() const { return end - begin; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// Time as flushes count it: what was written before the n-th flush is of epoch n or older.
using Epoch = std::uint64_t;

// Where bytes are kept. Who holds one while the file goes on being written sees newer bytes of the
// same places, or what it saw before; never bytes of another place.
struct PieceBuffer {
  explicit PieceBuffer(std::size_t size)
      : data(std::make_unique_for_overwrite<std::byte[]>(size)), capacity(size) {}
  explicit PieceBuffer(std::shared_ptr<SpareBuffers> lender)
      : data(lender->take()), capacity(lender->block_bytes()), spare(std::move(lender)) {}
  PieceBuffer(const PieceBuffer&) = delete;
  PieceBuffer& operator=(const PieceBuffer&) = delete;
  ~PieceBuffer() {
    if (spare) spare->give_back(std::move(data));
  }

  std::unique_ptr<std::byte[]> data;
  std::size_t capacity;
  std::size_t used = 0;  // behind it nobody has bytes yet
  std::shared_ptr<SpareBuffers> spare;
};

// What a piece that has not been sent waits for. Sent ones are None.
enum class Standing : std::uint8_t {
  None,
  Resting,  // for more to be gathered, or a flush
  Ready,    // for the caller to send it
  Blocked,  // for an older WRITE of the same bytes, or a truncation
};

// Written bytes that stand next to each other in the file.
struct Piece {
  std::uint64_t offset = 0;
  std::size_t length = 0;
  std::shared_ptr<PieceBuffer> buffer;
  std::size_t start = 0;    // of the piece's bytes in the buffer
  Epoch epoch = 0;          // of the oldest write that rests upon this piece
  std::uint8_t losses = 0;  // how often a server has lost it; stops at 255
  Standing standing = Standing::None;

  std::uint64_t end() const { return offset + length; }
  ByteRange range() const { return {offset, end()}; }
  std::span<const std::byte> bytes() const { return {buffer->data.get() + start, length}; }
  // The same bytes, fewer of them. Copied where the buffer would be more than twice as large: what
  // is held stays proportional to what is counted.
  Piece part(ByteRange wanted) const;
};

// Pieces of one file that do not overlap, in the file's order. Pure; used by one thread at a time.
//
// An operation costs O(log n) and the pieces that lie in its range.
class HeldPieces {
 public:
  static constexpr Epoch kNoEpoch = UINT64_MAX;

  // Blocks are those of Standing other than None: no such piece crosses a multiple of
  // `spare`'s block size. Buffers of a whole block are of it.
  explicit HeldPieces(std::shared_ptr<SpareBuffers> spare)
      : block_bytes_(spare->block_bytes()), spare_(std::move(spare)) {}

  bool empty() const { return pieces_.empty(); }
  std::size_t count() const { return pieces_.size(); }
  std::uint64_t bytes() const { return bytes_; }
  // Behind the last byte; 0 when empty.
  std::uint64_t end() const { return empty() ? 0 : pieces_.rbegin()->second.end(); }
  // Of all pieces; kNoEpoch when empty.
  Epoch oldest() const { return epochs_.empty() ? kNoEpoch : epochs_.begin()->first; }

  const Piece& at(std::uint64_t offset) const { return pieces_.at(offset); }
  // The first piece that has bytes of the range, or null.
  const Piece* first_in(ByteRange range) const;
  // All of them, in order. `see` changes nothing.
  template <class See>
  void visit(ByteRange range, See see) const {
    for (auto at = first_overlapping(range); at != pieces_.end() && at->first < range.end; ++at)
      see(at->second);
  }
  // What of the range is in no piece.
  std::vector<ByteRange> gaps(ByteRange range) const;
  // The pieces that stand without a gap around the one at `offset`, within its block, as far as
  // `may_join` says so of each neighbour.
  template <class MayJoin>
  ByteRange run_around(std::uint64_t offset, MayJoin may_join) const {
    const auto middle = pieces_.find(offset);
    ByteRange run = middle->second.range();
    for (auto at = middle; at != pieces_.begin();) {
      const Piece& left = (--at)->second;
      if (left.end() != run.begin || block(left.offset) != block(offset) || !may_join(left)) break;
      run.begin = left.offset;
    }
    for (auto at = std::next(middle); at != pieces_.end(); ++at) {
      const Piece& right = at->second;
      if (right.offset != run.end || block(right.offset) != block(offset) || !may_join(right))
        break;
      run.end = right.end();
    }
    return run;
  }

  // What removed bytes hand on to those that take their place.
  struct Heritage {
    Epoch epoch = kNoEpoch;
    std::uint8_t losses = 0;
    bool is_urgent = false;  // it was Ready or Blocked

    void add(const Piece& piece);
  };

  // It overlaps none.
  void insert(Piece piece);
  // Copies data in, within one block, over what is there. Continues a piece in place where one ends
  // or goes on here; a new one has room for `reserve` bytes. Returns the offset of its piece.
  std::uint64_t put(std::uint64_t offset, std::span<const std::byte> data, Epoch epoch,
                    std::size_t reserve);
  // Removes the bytes of the range; pieces that reach out of it are cut.
  Heritage carve(ByteRange range);
  Piece take(std::uint64_t offset);
  // The pieces of a run as one; copied only when they are several.
  Piece take_run(ByteRange run);
  std::vector<Piece> take_all();
  // The pieces in the range answer for writes of this epoch too.
  void owe(ByteRange range, Epoch epoch);

  void set_standing(std::uint64_t offset, Standing standing);
  // All in the range that have the one get the other.
  void change_standing(ByteRange range, Standing from, Standing to);
  void ready_all();  // that are resting
  // Its offset. The oldest, of those the first in the file.
  std::optional<std::uint64_t> first_ready() const;
  bool has_resting() const { return !resting_.empty(); }
  bool is_block_full(std::uint64_t offset) const;

  // For tests: what is kept about the pieces agrees with them.
  bool is_sound() const;

 private:
  using Pieces = std::map<std::uint64_t, Piece>;

  std::uint64_t block(std::uint64_t offset) const { return offset / block_bytes_; }
  Pieces::const_iterator first_overlapping(ByteRange range) const;
  std::shared_ptr<PieceBuffer> new_buffer(std::size_t capacity) const;
  void link(Piece piece);
  Piece unlink(Pieces::const_iterator at);
  void index(const Piece& piece);
  void unindex(const Piece& piece);
  void extend(Piece& piece, std::uint64_t offset, std::span<const std::byte> data);

  std::size_t block_bytes_;
  std::shared_ptr<SpareBuffers> spare_;
  Pieces pieces_;  // by offset
  std::uint64_t bytes_ = 0;
  std::map<Epoch, std::size_t> epochs_;  // how many pieces have it
  // By epoch, then offset: what a flush waits for goes before what was written after it.
  std::set<std::pair<Epoch, std::uint64_t>> ready_;
  std::set<std::pair<Epoch, std::uint64_t>> resting_;
  std::unordered_map<std::uint64_t, std::size_t> in_blocks_;  // bytes of unsent pieces
};

}  // namespace claimfs::backends::nfs
