#include "backends/nfs/known_names.h"

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
  while (order_.size() >= kMost) {
    by_name_.erase(order_.front());
    order_.pop_front();
  }
  by_name_.insert_or_assign(key, std::move(known));
  order_.push_back(std::move(key));
}

std::optional<KnownNames::Known> KnownNames::find(const FileHandle& directory,
                                                  std::string_view name) const {
  const std::string key = key_of(directory, name);
  std::scoped_lock lock(mutex_);
  const auto known = by_name_.find(key);
  if (known == by_name_.end() || now_() - known->second.asked_at > kTrusted) return std::nullopt;
  return known->second;
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
