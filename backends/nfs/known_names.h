#pragma once

#include <array>
#include <chrono>
#include <forward_list>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "backends/nfs/accounting.h"
#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// What names of an exclusive volume stand for, as the server said last: who removes a name has
// mostly just been told, and need not ask again. Believed for as long as the kernel believes a
// name, or longer where the directory is known not to have been changed by others since. Who
// changes what names stand for takes it back. Thread-safe.
class KnownNames {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  static constexpr std::chrono::seconds kTrusted{1};
  // 6 MB, with names of ordinary length. Of more the oldest go, roughly.
  static constexpr std::size_t kMost = 16'384;

  // `longest`: a name is not believed for longer, whatever is known of its directory. Servers
  // remember attributes as well, and may notice late what others do beside them.
  explicit KnownNames(Clock::duration longest, Now now = Clock::now)
      : longest_(longest), now_(std::move(now)) {}

  struct Known {
    FileHandle handle;  // empty: of nothing
    Attributes attributes;
    Clock::time_point asked_at;   // before whoever said so was asked
    Accounting::Since counted{};  // the same
  };

  // Only of an answer that no change of the directory has overtaken.
  void learn(const FileHandle& directory, std::string_view name, Known known);
  // `unchanged_since`: from when on nobody else has changed names of the directory. A directory's
  // own attributes change with what is in it: it is not believed for longer.
  std::optional<Known> find(const FileHandle& directory, std::string_view name,
                            std::optional<Clock::time_point> unchanged_since = {}) const;
  // It is another's name now, or nobody's.
  void forget(const FileHandle& directory, std::string_view name);
  // A file has more names, or fewer: what is known by the others says otherwise.
  void forget_all();

 private:
  struct Kept {
    std::size_t hash = 0;      // of the directory and the name
    std::uint64_t number = 0;  // in the order in which they came; 0: nothing is kept
    std::string name;
    FileHandle directory;
    Known known;
  };
  // A listing brings thousands: each costs one chain, in which it takes the place of the oldest
  // when that is long.
  static constexpr std::size_t kInChain = 8;
  using Chain = std::forward_list<Kept>;
  using Chains = std::array<Chain, kMost / kInChain>;

  static std::size_t hash_of(const FileHandle& directory, std::string_view name);
  static Kept* kept_in(Chain& chain, std::size_t hash, const FileHandle& directory,
                       std::string_view name);
  Kept* kept(const FileHandle& directory, std::string_view name) const;
  static Kept& place_in(Chain& chain);

  const Clock::duration longest_;
  const Now now_;
  mutable std::mutex mutex_;
  std::unique_ptr<Chains> chains_;  // null: all are empty
  std::uint64_t last_number_ = 0;
};

}  // namespace claimfs::backends::nfs
