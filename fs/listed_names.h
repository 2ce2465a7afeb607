#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace claimfs::fs {

// Names of files in one shared volume that the kernel believes because it has just listed them. Who
// walks through a directory does not ask for each of them again; but others may have put another
// file in such a name's place since, which whoever opens it must find (close-to-open): so a file
// that is known by a listing is looked up once more when it is opened. Thread-safe.
class ListedNames {
 public:
  // 8 MB of names of ordinary length.
  static constexpr std::size_t kMost = 65'536;
  // Longer than the kernel believes a name, also where it is slow to read what it was told.
  static constexpr std::chrono::seconds kKept{10};

  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  explicit ListedNames(Now now = Clock::now) : now_(std::move(now)) {}

  struct Name {
    std::uint64_t directory = 0;  // a NodeId, as `node` below
    std::string name;
    bool operator==(const Name&) const = default;
  };

  // Before the kernel hears of it. False: it may not believe the name, since there are too many, or
  // the file is known by another one.
  bool add(std::uint64_t node, std::uint64_t directory, std::string_view name);
  // The node was looked up by that name: if it is the listed one, it is no listing any more by
  // which the kernel knows it.
  void looked_up(std::uint64_t node, std::uint64_t directory, std::string_view name);
  // By which name the kernel may have found a node that is being opened; then this has to be asked
  // for.
  std::optional<Name> name_of(std::uint64_t node);
  // It is not what that name stands for, or the kernel has forgotten it. True when it has been
  // looked up by another name since.
  bool forget(std::uint64_t node);
  void clear();

 private:
  // Of the time that it is kept.
  static constexpr std::chrono::seconds kRenewed{5};

  struct Listed {
    Name name;
    Clock::time_point at;
    bool is_looked_up = false;  // by another name
    bool is(std::uint64_t directory, std::string_view text) const {
      return name.directory == directory && name.name == text;
    }
  };
  void drop_old(Clock::time_point now);

  const Now now_;
  std::mutex mutex_;
  std::atomic<std::size_t> count_{0};
  std::unordered_map<std::uint64_t, Listed> by_node_;
  // In the order in which they came; of a node that came again the first entry means nothing.
  std::deque<std::pair<Clock::time_point, std::uint64_t>> order_;
};

}  // namespace claimfs::fs
