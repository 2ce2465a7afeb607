#include "fs/node_table.h"

#include <algorithm>
#include <cassert>
#include <functional>

namespace claimfs::fs {

std::size_t NodeTable::KeyHash::operator()(const Key& key) const {
  const std::size_t volume = std::hash<const void*>{}(key.volume);
  return std::hash<std::string_view>{}(key.inode) ^ (volume * 0x9E3779B97F4A7C15ULL);
}

NodeTable::Key NodeTable::key_of(const ServedVolume& volume, const backends::Inode* inode) {
  return {&volume, inode ? inode->key() : std::string_view{}};
}

NodeTable::NodeTable(std::shared_ptr<ServedVolume> tree) {
  // The kernel calls the mount's root 1 without ever having looked it up, and never forgets it.
  auto root = std::make_unique<Node>();
  root->id = kRootNode;
  root->volume = std::move(tree);
  root->lookups = 1;
  Shard& shard = shards_[kRootNode % kShards];
  shard.by_key.insert(root.get());
  shard.by_id.emplace(kRootNode, std::move(root));
}

NodeTable::~NodeTable() = default;

Node* NodeTable::find(NodeId id) {
  Shard& shard = shards_[id % kShards];
  std::scoped_lock lock(shard.mutex);
  const auto found = shard.by_id.find(id);
  return found == shard.by_id.end() ? nullptr : found->second.get();
}

Node& NodeTable::remember(const std::shared_ptr<ServedVolume>& volume,
                          std::unique_ptr<backends::Inode> inode) {
  const Key key = key_of(*volume, inode.get());
  // An id's shard is its file's shard, so that one lock covers both directions.
  const std::size_t shard_number = KeyHash{}(key) % kShards;
  Shard& shard = shards_[shard_number];
  // What loses against a known node is destroyed after the lock is released: a backend may close
  // descriptors.
  std::unique_ptr<backends::Inode> superfluous;
  std::scoped_lock lock(shard.mutex);
  if (const auto found = shard.by_key.find(key); found != shard.by_key.end()) {
    ++(*found)->lookups;
    superfluous = std::move(inode);
    return **found;
  }
  auto node = std::make_unique<Node>();
  node->id = next_.fetch_add(1, std::memory_order_relaxed) * kShards + shard_number;
  node->volume = volume;
  node->inode_or_root = std::move(inode);
  node->lookups = 1;
  Node& known = *node;
  ++volume->nodes;
  shard.link(known);
  shard.by_key.insert(&known);
  shard.by_id.emplace(known.id, std::move(node));
  return known;
}

std::unique_ptr<Node> NodeTable::take(NodeId id, std::uint64_t count) {
  if (id == kRootNode) return nullptr;
  Shard& shard = shards_[id % kShards];
  std::scoped_lock lock(shard.mutex);
  const auto found = shard.by_id.find(id);
  if (found == shard.by_id.end()) return nullptr;
  Node& node = *found->second;
  assert(node.lookups >= count && "the kernel forgets no more than it looked up");
  node.lookups -= count;
  if (node.lookups > 0) return nullptr;
  shard.by_key.erase(&node);
  shard.unlink(node);
  std::unique_ptr<Node> gone = std::move(found->second);
  shard.by_id.erase(found);
  return gone;
}

NodeId NodeTable::id_of(const ServedVolume& volume, const backends::Inode& inode) const {
  const Key key = key_of(volume, &inode);
  const Shard& shard = shards_[KeyHash{}(key) % kShards];
  std::scoped_lock lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  return found == shard.by_key.end() ? 0 : (*found)->id;
}

void NodeTable::with(const ServedVolume& volume, std::string_view inode_key,
                     const std::function<void(backends::Inode&)>& use) {
  const Key key{&volume, inode_key};
  Shard& shard = shards_[KeyHash{}(key) % kShards];
  std::scoped_lock lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  if (found != shard.by_key.end() && (*found)->inode_or_root) use(*(*found)->inode_or_root);
}

std::size_t NodeTable::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    std::scoped_lock lock(shard.mutex);
    total += shard.by_id.size();
  }
  return total;
}

std::vector<NodeId> NodeTable::nodes_of(const ServedVolume& volume) const {
  std::vector<NodeId> ids;
  for (const Shard& shard : shards_) {
    std::scoped_lock lock(shard.mutex);
    const auto found = shard.of_volume.find(&volume);
    const Node* node = found == shard.of_volume.end() ? nullptr : found->second;
    for (; node; node = node->after_in_volume) ids.push_back(node->id);
  }
  std::ranges::sort(ids, std::greater());
  return ids;
}

void NodeTable::Shard::link(Node& node) {
  Node*& first = of_volume[node.volume.get()];
  node.after_in_volume = first;
  if (first) first->before_in_volume = &node;
  first = &node;
}

void NodeTable::Shard::unlink(Node& node) {
  Node* const before = node.before_in_volume;
  Node* const after = node.after_in_volume;
  if (after) after->before_in_volume = before;
  if (before)
    before->after_in_volume = after;
  else if (after)
    of_volume[node.volume.get()] = after;
  else
    of_volume.erase(node.volume.get());
}

}  // namespace claimfs::fs
