#include "fs/listed_names.h"

namespace claimfs::fs {

bool ListedNames::add(std::uint64_t node, std::uint64_t directory, std::string_view name) {
  const Clock::time_point now = now_();
  std::scoped_lock lock(mutex_);
  drop_old(now);
  const auto known = by_node_.find(node);
  if (known != by_node_.end()) {
    if (!known->second.is(directory, name)) return false;
    if (now - known->second.at < kRenewed) return true;
  }
  if (order_.size() >= kMost) return false;
  by_node_.insert_or_assign(node, Listed{{directory, std::string(name)}, now});
  count_.store(by_node_.size());
  order_.emplace_back(now, node);
  return true;
}

void ListedNames::drop_old(Clock::time_point now) {
  while (!order_.empty() && now - order_.front().first > kKept) {
    const auto [at, node] = order_.front();
    order_.pop_front();
    const auto known = by_node_.find(node);
    if (known != by_node_.end() && known->second.at == at) by_node_.erase(known);
  }
  count_.store(by_node_.size());
}

void ListedNames::looked_up(std::uint64_t node, std::uint64_t directory, std::string_view name) {
  if (count_.load(std::memory_order_relaxed) == 0) return;
  std::scoped_lock lock(mutex_);
  const auto known = by_node_.find(node);
  if (known == by_node_.end()) return;
  known->second.is_looked_up = true;
  if (!known->second.is(directory, name)) return;
  by_node_.erase(known);
  count_.store(by_node_.size());
}

bool ListedNames::forget(std::uint64_t node) {
  if (count_.load(std::memory_order_relaxed) == 0) return false;
  std::scoped_lock lock(mutex_);
  const auto known = by_node_.find(node);
  if (known == by_node_.end()) return false;
  const bool is_looked_up = known->second.is_looked_up;
  by_node_.erase(known);
  count_.store(by_node_.size());
  return is_looked_up;
}

std::optional<ListedNames::Name> ListedNames::name_of(std::uint64_t node) {
  if (count_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  std::scoped_lock lock(mutex_);
  const auto known = by_node_.find(node);
  if (known == by_node_.end()) return std::nullopt;
  return known->second.name;
}

void ListedNames::clear() {
  std::scoped_lock lock(mutex_);
  by_node_.clear();
  order_.clear();
  count_.store(0);
}

}  // namespace claimfs::fs
