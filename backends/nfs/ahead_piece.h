#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "backends/nfs/change_stamp.h"
#include "backends/nfs/procedures.h"
#include "backends/nfs/spare_buffers.h"
#include "backends/nfs/ticket.h"
#include "base/answer.h"

namespace claimfs::backends::nfs {

// What pieces of all files of a volume share.
class AheadMemory {
 public:
  // That pieces may take together: what they are asked for counts, whether it has come or not.
  static constexpr std::size_t kMostBytes = 32U << 20U;

  explicit AheadMemory(std::size_t most_of_piece) : blocks_(most_of_piece, kMostSpare) {}

  std::size_t most_of_piece() const { return blocks_.block_bytes(); }
  SpareBuffers& blocks() { return blocks_; }
  bool reserve(std::size_t bytes);
  void give_back(std::size_t bytes) { reserved_.fetch_sub(bytes); }

 private:
  static constexpr std::size_t kMostSpare = 8;
  SpareBuffers blocks_;
  std::atomic<std::size_t> reserved_{0};
};

// A part of a file that the server is asked for before anybody wants it; used once. Its call
// answers whoever has taken it meanwhile, and puts the data where he wants them. Thread-safe.
class AheadPiece {
 public:
  struct Part {
    std::uint64_t offset = 0;
    std::size_t size = 0;
  };
  // Its size is reserved of `memory`. `writes`: of ours, that the server has been told before.
  AheadPiece(const Part& part, std::shared_ptr<Ticket> ticket, std::uint64_t writes,
             std::shared_ptr<AheadMemory> memory);
  AheadPiece(const AheadPiece&) = delete;
  ~AheadPiece();

  const Part& part() const { return part_; }
  std::uint64_t writes() const { return writes_; }
  // Its call's. When it is given up the connection drops it, sooner or later.
  const std::shared_ptr<Ticket>& ticket() const { return ticket_; }

  // Whether it is there for who takes it, has not come yet, or never does.
  bool is_here() const;
  bool has_failed() const;

  // By whoever alone has it: answers with so many bytes from its beginning, now or when they have
  // come; by `room` when that is not empty. EINTR when its ticket was given up; EAGAIN when it is
  // no good, and the server has to be asked.
  struct Wanted {
    std::size_t size = 0;
    std::span<std::byte> room{};
  };
  void take(const Wanted& wanted, Answer<std::span<const std::byte>> answer);
  // Nobody has taken it and the kernel is told so of the file now: it is no good if it was read
  // when that was different.
  void must_be(const ChangeStamp& stamp);

  // For its call: where the data are wanted; the same each time.
  std::span<std::byte> place();
  struct Came {
    std::span<const std::byte> data{};   // no more than the part
    bool is_end = false;                 // of the file
    std::optional<ChangeStamp> stamp{};  // of the file then
  };
  void came(const Came& what);
  void failed(int error);

 private:
  struct Taker {
    Wanted wanted;
    Answer<std::span<const std::byte>> answer;
  };
  enum class State { Asked, Here, Failed };

  // Under mutex_.
  bool is_good_for(std::size_t wanted) const;
  std::span<std::byte> own_place();

  const Part part_;
  const std::shared_ptr<Ticket> ticket_;
  const std::uint64_t writes_;
  const std::shared_ptr<AheadMemory> memory_;

  mutable std::mutex mutex_;
  // The rest is guarded by it.
  State state_ = State::Asked;
  std::optional<ChangeStamp> must_be_;
  std::optional<ChangeStamp> stamp_;
  std::unique_ptr<Taker> taker_;
  std::span<std::byte> place_;  // empty: not decided
  SpareBuffers::Block own_;     // null: the taker's room
  std::size_t got_ = 0;
  bool is_end_ = false;
};

}  // namespace claimfs::backends::nfs
