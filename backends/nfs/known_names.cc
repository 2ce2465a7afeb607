#include "backends/nfs/known_names.h"

#include <sys/stat.h>

namespace claimfs::backends::nfs {

// A name has no slash.
std::string KnownNames::key_of(const FileHandle& directory, std::string_view name) {
  std::string key(name);
  key += '/';
  return key += directory.bytes();
}

void KnownNames::learn(const FileHandle& directory, std::string_view name, Known known) {
  std::string key = key_of(directory, name);
  std::scoped_lock lock(mutex_);
  while (by_name_.size() >= kMost || order_.size() >= 2 * kMost) {
    const auto& [number, oldest] = order_.front();
    const auto found = by_name_.find(oldest);
    if (found != by_name_.end() && found->second.number == number) by_name_.erase(found);
    order_.pop_front();
  }
  by_name_.insert_or_assign(key, Kept{std::move(known), ++last_number_});
  order_.emplace_back(last_number_, std::move(key));
}

std::optional<KnownNames::Known> KnownNames::find(
    const FileHandle& directory, std::string_view name,
    std::optional<Clock::time_point> unchanged_since) const {
  const std::string key = key_of(directory, name);
  std::scoped_lock lock(mutex_);
  const auto found = by_name_.find(key);
  if (found == by_name_.end()) return std::nullopt;
  const Known& known = found->second.known;
  const bool is_longer =
      unchanged_since && *unchanged_since <= known.asked_at && !S_ISDIR(known.attributes.mode);
  if (now_() - known.asked_at > (is_longer ? longest_ : kTrusted)) return std::nullopt;
  return known;
}

void KnownNames::forget(const FileHandle& directory, std::string_view name) {
  const std::string key = key_of(directory, name);
  std::scoped_lock lock(mutex_);
  by_name_.erase(key);
}

void KnownNames::forget_all() {
  std::scoped_lock lock(mutex_);
  by_name_.clear();
  order_.clear();
}

}  // namespace claimfs::backends::nfs
