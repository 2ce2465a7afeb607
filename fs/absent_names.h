#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace claimfs::fs {

// The names of one volume that the kernel was told to be absent, or saw go. It remembers them, too,
// and they hold their directory against being forgotten (FUSE.md F2): before a volume can be proven
// unused, they have to be dropped one by one. Of more than kMost the oldest should be dropped
// meanwhile. Thread-safe.
class AbsentNames {
 public:
  static constexpr std::size_t kMost = 16'384;

  struct Name {
    std::uint64_t directory = 0;  // a NodeId
    std::string name;
    bool operator==(const Name&) const = default;
  };

  // Before the kernel hears of it. True when there are too many now.
  bool add(std::uint64_t directory, std::string_view name);
  // The oldest, while there are too many; it is not kept any more. As take().
  std::optional<Name> take_excess();
  // There is something of that name now. Before the kernel hears of it: dropping a name that is
  // there would unmount what stands below it.
  void remove(std::uint64_t directory, std::string_view name);
  bool is_empty() const { return count_.load(std::memory_order_relaxed) == 0; }
  // All of them, the oldest first; they stay.
  std::vector<Name> all() const;
  // Whether one that all() gave is absent still; it is not kept any more. Before the kernel drops
  // it: a look-up meanwhile brings it back.
  bool take(const Name& name);
  void clear();

 private:
  static std::string key_of(std::uint64_t directory, std::string_view name);
  static Name name_of(const std::string& key);

  mutable std::mutex mutex_;
  std::atomic<std::size_t> count_{0};
  std::unordered_set<std::string> present_;
  // In the order in which they came; what is not in present_ has been removed since.
  std::deque<std::string> order_;
};

}  // namespace claimfs::fs
