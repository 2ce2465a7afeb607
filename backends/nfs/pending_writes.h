#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "backends/nfs/held_pieces.h"
#include "backends/nfs/write_errors.h"

namespace claimfs::backends::nfs {

// What of a file's contents is newer here than on its server, or not yet safe there: see
// PendingWrites::overlay. Ranges in the file's order that do not overlap.
struct Overlay {
  struct Part {
    std::uint64_t offset = 0;
    std::span<const std::byte> bytes;
    std::shared_ptr<const PieceBuffer> buffer;  // holds the bytes
  };
  std::vector<Part> parts;
  bool is_complete = false;  // the whole range is in the parts

  // Copies the parts over what the server has for [offset, offset + size of contents), which lies
  // within the overlay's range. In turn with calls that write to the file.
  void lay_over(std::uint64_t offset, std::span<std::byte> contents) const;
};

// The written data of one file that its server may still lose: gathered, sent, and kept until a
// COMMIT has proven it stable. One for each inode, shared by all opens.
//
// Pure: no I/O, no clock, no threads. Events go in; after each of them (or several) the caller
// performs what has become possible, in any number and order:
//
//     while (there is room in flight) if (auto write = next_write()) send a WRITE; else break;
//     if (next_commit()) send a COMMIT of the whole file (offset 0, count 0);
//     if (truncation_may_go()) send the waiting SETATTR;
//     complete who waits for is_sent(token), is_stable(token) or is_sent(range).
//
// The caller serializes the calls for one file. It repeats a request that got no answer, or
// NFS3ERR_JUKEBOX, until it has one; what is told here is final. Offsets and lengths are bytes and
// stay below 2^63. Nothing blocks. Calls cost O(log n) of the pieces held and what they touch.
//
// The operations of a backend:
//
//   open      cursor = errors().open(), kept with the open file
//   write     offset of an append: size(server's). write(), then perform. If writes_through():
//             token = flush(); answer when is_stable(token), with errors().tell(cursor).
//             While held_bytes() of all files is beyond the budget: the caller push()es and
//             commit_soon()s the files of its choice, and answers when it is below.
//   read      overlay() first. is_complete: answer from it. Otherwise READ what lies below
//             size(server's), take what the server has not as zeros, and lay_over() the overlay
//             that was taken BEFORE the READ was sent: what it holds may be committed and dropped
//             here before the READ is answered with contents of earlier. (Or push(range), wait for
//             is_sent(range), READ. A server that restarts in between shows older contents then.)
//   flush,    token = flush(); perform; answer when is_stable(token), with errors().tell(cursor)
//   fsync
//   get attributes of others, who see mtime and ctime: token = push(); GETATTR when is_sent(token).
//             For one's own: size(server's), and the time of the last write while has_unsent().
//   set size  begin_truncation(size); perform; SETATTR once truncation_may_go(); with its answer
//             end_truncation(). One at a time.
//   set mtime token = flush(); SETATTR when is_stable(token): data that is sent later, or again,
//             would change it.
//   allocate, copy range: push(range), wait for is_sent(range) in the source and the target.
//   release   nothing: the last close has flushed. What remains has failed or is of an open that
//             was never flushed (an mmap): as detach.
//   detach    token = flush(); done when is_stable(token), or given up: unsafe_bytes(), and
//             errors().untold_bytes(), are for the log.
//   server restart: the caller sends again what got no answer. What was lost shows by the
//             verifiers in the answers, and next_write() gives it out once more.
//   A gather delay: has_resting() says that push() would start something.
//
// Sources: RFC 1813 3.3.7 and 3.3.21 (WRITE, COMMIT, verifiers); Linux fs/nfs/write.c and file.c
// (a failed piece is dropped; after an error, writes are sent through).
class PendingWrites {
 public:
  using Verifier = std::uint64_t;  // opaque: only compared
  // A flush() or push(): everything that was written before it.
  using Token = Epoch;

  // `spare` is shared by all files of a volume. Its blocks are as large as a WRITE may be; pieces
  // are gathered up to multiples of that.
  explicit PendingWrites(std::shared_ptr<SpareBuffers> spare);

  // --- What happens.

  // Copies the data. Later than any write before it, over truncations that have ended.
  void write(std::uint64_t offset, std::span<const std::byte> data);

  // Sends what is gathered. The first also has it committed.
  Token flush();
  Token push();
  void push(ByteRange range);
  // Commits what has been answered, without waiting for the rest: it is held until then.
  void commit_soon() { is_commit_wanted_ = true; }

  struct WriteReply {
    std::uint64_t count = 0;  // what the server took
    bool is_stable = false;   // FILE_SYNC or DATA_SYNC
    Verifier verifier = 0;
  };
  // Each number once. A server that took nothing, or more than it was given, has failed: EIO.
  void written(std::uint64_t number, const WriteReply& reply);
  // The data is dropped, and all opens will be told.
  void write_failed(std::uint64_t number, int errno_code);

  void committed(Verifier verifier);
  void commit_failed(int errno_code);  // as above

  // The size is being set. Data behind it is not sent until that has ended, and is dropped if it
  // succeeded.
  void begin_truncation(std::uint64_t size);
  enum class Truncation { Done, Failed };
  void end_truncation(Truncation how);

  // --- What is to be done.

  struct Write {
    std::uint64_t number = 0;
    std::uint64_t offset = 0;
    std::span<const std::byte> data;  // valid until this number is answered
    bool is_stable = false;           // ask for FILE_SYNC, otherwise UNSTABLE
  };
  // Never overlaps another that has not been answered.
  std::optional<Write> next_write();
  // Whether a COMMIT is to be sent now. One is in flight at a time; it answers for what was written
  // before this call.
  bool next_commit();
  bool truncation_may_go() const;

  // --- What is so.

  // Everything before the token has reached the server, or failed.
  bool is_sent(Token token) const;
  // Everything before the token is on stable storage, or failed: errors() tells.
  bool is_stable(Token token) const;
  bool is_sent(ByteRange range) const;

  Overlay overlay(ByteRange range) const;
  // The size as it will be. `server_size` is of attributes that are not older than the answers that
  // were told here, or at least the end of every WRITE answered since: nothing else remembers where
  // data ended that is stable and gone from here.
  std::uint64_t size(std::uint64_t server_size) const;

  bool has_unsent() const { return !unsent_.empty() || !in_flight_.empty(); }
  bool has_resting() const { return unsent_.has_resting(); }
  bool is_empty() const { return !has_unsent() && unstable_.empty() && committing_.empty(); }
  // What the server may not have, or may still lose; bytes that are overwritten meanwhile count
  // twice.
  std::uint64_t unsafe_bytes() const;
  // Memory, about: bytes and what is kept about them.
  std::uint64_t held_bytes() const;
  // Of these: what push() lets go, and what commit_soon() does.
  std::uint64_t unsent_bytes() const { return unsent_.bytes(); }
  std::uint64_t unstable_bytes() const { return unstable_.bytes(); }

  // The last WRITE that was answered after an error has failed, or none was: the writer should wait
  // for its data, so that it hears at once.
  bool writes_through() const { return is_failing_; }
  WriteErrors& errors() { return errors_; }

  // For tests.
  bool is_sound() const;

 private:
  bool is_blocked(const Piece& piece) const;
  bool is_alone(const Piece& piece) const;
  void failed(int errno_code, std::uint64_t bytes);
  void settle_flushes();
  Piece take_in_flight(std::uint64_t number);
  void heard(Verifier verifier);
  void lose(HeldPieces& layer);
  void send_again(const Piece& piece, std::span<HeldPieces* const> newer);

  const std::size_t write_size_;

  // A byte may be in each of these, the newest version first. A version that a newer one has
  // reached, on the server or here, is not sent any more.
  HeldPieces unsent_;
  HeldPieces in_flight_;
  HeldPieces unstable_;    // answered UNSTABLE, all by unstable_verifier_
  HeldPieces committing_;  // the same, before the COMMIT that is in flight
  Verifier unstable_verifier_ = 0;
  Verifier committing_verifier_ = 0;
  bool is_commit_in_flight_ = false;
  bool is_commit_wanted_ = false;

  std::unordered_map<std::uint64_t, std::uint64_t> offsets_in_flight_;  // by number
  std::uint64_t next_number_ = 1;

  Epoch epoch_ = 1;           // of what is written now
  std::set<Token> flushes_;   // not known to be stable
  std::uint64_t stream_end_;  // where the last block ended that was filled in order

  std::optional<std::uint64_t> truncated_size_;  // being set

  WriteErrors errors_;
  bool is_failing_ = false;
  std::uint64_t first_after_failure_ = 0;  // the number of the next WRITE when it was heard of
};

}  // namespace claimfs::backends::nfs
