#pragma once

#include <atomic>
#include <cstdint>

namespace claimfs::backends {

// What one mount may still write of what the volume's bound has granted it. Pure arithmetic, in
// bytes; lock-free, from any thread.
//
// Granted bytes are credit until an operation takes them, and stay unspent until a file has grown
// by them: unspent = credit + what operations have taken + what is set aside for them.
class CapacityLedger {
 public:
  // The bound was raised by so much. Also pays debt.
  void grant(std::uint64_t bytes);
  // Takes credit back for the bound to be lowered by; up to `most`. Returns how much.
  std::uint64_t withdraw(std::uint64_t most);

  // Credit for an operation: up to `most`, as much as there is.
  std::uint64_t take(std::uint64_t most);
  // What it did not need.
  void give_back(std::uint64_t bytes);

  // Part of what an operation has taken is set aside for what its file may need later.
  void set_aside(std::uint64_t bytes) { taken_.fetch_sub(static_cast<std::int64_t>(bytes)); }
  void take_back(std::uint64_t set_aside);
  // What it was set aside for is not known any more: it stays in the bound until a recount.
  void lose(std::uint64_t set_aside);

  // A file has grown. It takes what the operation holds, then what was set aside; the rest is
  // credit, or becomes a debt.
  struct Payment {
    std::uint64_t taken = 0;
    std::uint64_t set_aside = 0;
  };
  void grew(std::uint64_t bytes, Payment payment);
  // A file has shrunk or is gone.
  void shrank(std::uint64_t bytes);

  // More was written than granted: past the daemon, through a shared map.
  std::uint64_t debt() const;
  std::uint64_t credit() const;
  // What operations hold at this moment: some of it may come back.
  std::uint64_t taken() const { return static_cast<std::uint64_t>(taken_.load()); }

  // For a recount. Whatever happens between two looks, unspent of the second plus what has grown
  // since the first is never less than what counting in between may have missed, if at the second
  // look nothing is removed that has not been said to shrank() yet.
  struct State {
    std::int64_t unspent = 0;
    std::uint64_t grown = 0;   // ever
    std::uint64_t shrunk = 0;  // ever
  };
  State state() const;
  // A file may have been missed by a count though nothing has grown: it moved.
  void moved(std::uint64_t bytes) { grown_.fetch_add(bytes); }

 private:
  std::atomic<std::int64_t> credit_{0};   // negative: debt
  std::atomic<std::int64_t> unspent_{0};  // negative with it
  std::atomic<std::int64_t> taken_{0};
  std::atomic<std::uint64_t> grown_{0};
  std::atomic<std::uint64_t> shrunk_{0};
};

// How much to grant to who needs `need` of what is `free`: enough to come seldom, and little enough
// to leave other mounts theirs. Never more than is free.
std::uint64_t chunk_for(std::uint64_t free, std::uint64_t need);

}  // namespace claimfs::backends
