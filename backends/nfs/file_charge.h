#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "backends/nfs/accounting.h"
#include "backends/nfs/range_set.h"
#include "backends/reservation.h"

namespace claimfs::backends::nfs {

// What one file that is written to has cost its volume, and what has been paid for data that its
// server has not taken yet. The server says what a file occupies with most replies; what its word
// does not show yet stays set aside. Bytes. Whoever has it serializes the calls.
class FileCharge {
 public:
  explicit FileCharge(std::shared_ptr<Accounting> accounting);
  FileCharge(const FileCharge&) = delete;
  ~FileCharge();

  // What a write there may newly take at worst; 0 where everything has its blocks, or is paid for.
  std::uint64_t price(ByteRange range) const;
  // Pays for as much of a write, from its beginning, as the room has beyond `kept`. Returns how
  // many bytes may be written.
  std::uint64_t pay(ByteRange range, Reservation& room, std::uint64_t kept);

  // What the server has said of the file.
  struct Word {
    std::uint64_t used = 0;
    std::uint64_t size = 0;
    // Asked for when all that it had taken in was answered: it may be less than the word before.
    bool is_fresh = false;
    // And that is so long ago that it knows by now what its filesystem has made of it.
    bool is_settled = false;
  };
  void told(const Word& word);
  // It has taken a WRITE in. `is_newest`: nothing newer is on its way there.
  void taken(ByteRange range, bool is_newest);
  // Nothing is on its way any more: what was paid for and has not arrived never will.
  void all_sent();
  // And what it has taken in is on its disk, with all that belongs to it, as its last word has
  // said.
  void all_committed();
  // The size was set through us, and the file occupies so much now, if the server said.
  void truncated(std::uint64_t size, std::optional<std::uint64_t> used);
  // It is gone from the server, where it was known to occupy `used`. That room comes back, and what
  // else is said of it has happened before.
  void gone(std::uint64_t used, Accounting::Since since);

  // Nobody has said what it occupies since the volume was counted last: it would not be known what
  // goes with a truncation.
  bool needs_word() const { return !used_ || said_.recounts != accounting_->now().recounts; }
  std::uint64_t set_aside() const { return set_aside_; }

 private:
  void add_there(ByteRange range);
  void take_in(std::uint64_t used, bool may_shrink);
  void settle();
  std::uint64_t on_its_way() const;  // what is kept for that

  const std::shared_ptr<Accounting> accounting_;

  // In whole blocks:
  RangeSet paid_;   // what is on its way
  RangeSet new_;    // of these, what was behind the end: it surely takes blocks
  RangeSet there_;  // has blocks on the server; not all of those

  std::optional<std::uint64_t> used_;  // by its word
  Accounting::Since said_{};           // when that was
  std::uint64_t end_ = 0;              // of the file, at least; behind it there are no blocks
  // What it has taken in, less what its word has grown by. Negative: the word has shown what is not
  // answered yet.
  std::int64_t unseen_ = 0;
  std::int64_t doubtful_ = 0;  // of that, what may have had blocks: the next word tells
  std::uint64_t grown_ = 0;    // since the last COMMIT
  std::uint64_t set_aside_ = 0;
  bool is_gone_ = false;
};

}  // namespace claimfs::backends::nfs
