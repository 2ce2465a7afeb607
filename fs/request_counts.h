#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>

#include "base/guarded.h"

namespace claimfs::fs {

// How many requests of each operation the kernel has sent. Threads count apart, each on cache lines
// that nobody else writes; only who asks for the totals looks at all of them.
class RequestCounts {
  // One more than the greatest opcode that has a name.
  static constexpr std::size_t kOpcodes = 54;
  using Numbers = std::array<std::uint64_t, kOpcodes>;

 public:
  // What one thread counts, from its beginning to its end; the totals keep it after that.
  class alignas(64) Tally {
   public:
    explicit Tally(RequestCounts& counts);
    ~Tally();
    Tally(const Tally&) = delete;

    // By that thread alone. `opcode` is the request's as the kernel sent it, known or not.
    void count(std::uint32_t opcode);

   private:
    friend RequestCounts;
    void add_to(Numbers& sums) const;

    RequestCounts& counts_;
    std::array<std::atomic<std::uint64_t>, kOpcodes> numbers_{};
  };

  // By the operation's name in lower case, as the kernel's header has it; "other" is what that did
  // not know. Those that have not come yet are missing. From any thread.
  std::map<std::string_view, std::uint64_t> totals() const;

 private:
  struct Threads {
    std::set<const Tally*> running;
    Numbers ended{};
  };
  Guarded<Threads> threads_;
};

}  // namespace claimfs::fs
