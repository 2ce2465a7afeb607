#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "backends/backend.h"
#include "backends/nfs/accounting.h"
#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// What names of an exclusive volume stand for, as the server said last: who removes a name has
// mostly just been told, and need not ask again. Believed for as long as the kernel believes a
// name. Who changes what names stand for takes it back. Thread-safe.
class KnownNames {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  static constexpr std::chrono::seconds kTrusted{1};
  // 3 MB, with names of ordinary length.
  static constexpr std::size_t kMost = 8192;

  explicit KnownNames(Now now = Clock::now) : now_(std::move(now)) {}

  struct Known {
    FileHandle handle;
    Attributes attributes;
    Clock::time_point asked_at;   // before whoever said so was asked
    Accounting::Since counted{};  // the same
  };

  // Only of an answer that no change of the directory has overtaken.
  void learn(const FileHandle& directory, std::string_view name, Known known);
  std::optional<Known> find(const FileHandle& directory, std::string_view name) const;
  // It is another's name now, or nobody's.
  void forget(const FileHandle& directory, std::string_view name);
  // A file has more names, or fewer: what is known by the others says otherwise.
  void forget_all();

 private:
  static std::string key_of(const FileHandle& directory, std::string_view name);

  const Now now_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Known> by_name_;
  std::deque<std::string> order_;  // in which they came; some have gone, or come again
};

}  // namespace claimfs::backends::nfs
