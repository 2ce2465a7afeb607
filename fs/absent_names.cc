#include "fs/absent_names.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace claimfs::fs {

std::string AbsentNames::key_of(std::uint64_t directory, std::string_view name) {
  std::string key(sizeof directory, '\0');
  std::memcpy(key.data(), &directory, sizeof directory);
  return key.append(name);
}

AbsentNames::Name AbsentNames::name_of(const std::string& key) {
  Name name;
  std::memcpy(&name.directory, key.data(), sizeof name.directory);
  name.name = key.substr(sizeof name.directory);
  return name;
}

bool AbsentNames::add(std::uint64_t directory, std::string_view name) {
  std::string key = key_of(directory, name);
  std::scoped_lock lock(mutex_);
  if (!present_.insert(key).second) return false;
  count_.store(present_.size());
  order_.push_back(std::move(key));
  // Names that come and go again and again leave more behind than there are.
  if (order_.size() > 2 * std::max(kMost, present_.size())) {
    std::unordered_set<std::string> seen;
    std::erase_if(order_, [&](const std::string& each) {
      return !present_.contains(each) || !seen.insert(each).second;
    });
  }
  return present_.size() > kMost;
}

std::optional<AbsentNames::Name> AbsentNames::take_excess() {
  std::scoped_lock lock(mutex_);
  if (present_.size() <= kMost) return std::nullopt;
  while (present_.erase(order_.front()) == 0) order_.pop_front();
  Name oldest = name_of(order_.front());
  order_.pop_front();
  count_.store(present_.size());
  return oldest;
}

void AbsentNames::remove(std::uint64_t directory, std::string_view name) {
  if (is_empty()) return;
  const std::string key = key_of(directory, name);
  std::scoped_lock lock(mutex_);
  present_.erase(key);
  count_.store(present_.size());
}

std::vector<AbsentNames::Name> AbsentNames::all() const {
  std::scoped_lock lock(mutex_);
  std::vector<Name> names;
  std::unordered_set<std::string_view> seen;
  for (const std::string& key : order_)
    if (present_.contains(key) && seen.insert(key).second) names.push_back(name_of(key));
  return names;
}

bool AbsentNames::take(const Name& name) {
  const std::string key = key_of(name.directory, name.name);
  std::scoped_lock lock(mutex_);
  const bool was_present = present_.erase(key) > 0;
  count_.store(present_.size());
  return was_present;
}

void AbsentNames::clear() {
  std::scoped_lock lock(mutex_);
  present_.clear();
  order_.clear();
  count_.store(0);
}

}  // namespace claimfs::fs
