#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/backend.h"
#include "fs/served_volume.h"

namespace claimfs::fs {

using NodeId = std::uint64_t;
inline constexpr NodeId kRootNode = 1;

// How the kernel does I/O on an inode that is open. All opens of one inode must agree (FUSE.md 4).
enum class IoMode : std::uint8_t { Closed, Passthrough, Cached };

// A file that the kernel knows by a node id. It exists while the kernel's lookup count is not zero;
// a request that names the node keeps it so.
struct Node {
  NodeId id = 0;
  std::shared_ptr<ServedVolume> volume;
  std::unique_ptr<backends::Inode>
      inode_or_root;  // null: the volume's root, which the volume itself keeps

  // Set-id bits as last seen. The kernel must not believe that it knows the mode of such a file,
  // and its writes must reach us, or a write would leave the bits as they are.
  std::atomic<bool> has_set_id{false};
  // Handles that may change the file without telling us: passthrough, shared writable maps
  // included.
  std::atomic<std::uint32_t> silent_writers{0};

  // When the directory had last changed in any way, as the kernel was allowed to keep its names.
  std::atomic<std::int64_t> names_as_of{0};

  // Until when a closed handle's locks may still be there (nanoseconds of CLOCK_MONOTONIC).
  std::atomic<std::int64_t> closing_until{0};

  struct Opens {
    std::uint32_t count = 0;
    IoMode mode = IoMode::Closed;
    int backing_id = 0;  // the kernel's name for the native file; 0: none
  };
  Opens opens;                // guarded by Filesystem::opens_lock_for(id)
  std::uint64_t lookups = 0;  // guarded by the shard, as what follows
  // The volume's nodes of one shard, in a chain of no order.
  Node* before_in_volume = nullptr;
  Node* after_in_volume = nullptr;

  bool is_volume_root() const { return inode_or_root == nullptr; }
  backends::Inode& inode() { return inode_or_root ? *inode_or_root : volume->root(); }
};

// Node ids to files and back. An id is never used again, and a later one is greater; an unknown one
// is an error, not a crash.
// Safe from any thread; a shard's lock is held for a look-up in memory only.
class NodeTable {
 public:
  explicit NodeTable(std::shared_ptr<ServedVolume> tree);
  NodeTable(const NodeTable&) = delete;
  ~NodeTable();

  // Null when the kernel should not know such a node. Valid for as long as the request that named
  // it.
  Node* find(NodeId id);

  // The node of a file that a look-up found, counted once more. A known file keeps its first inode.
  // Null stands for the volume's root, which is counted under ServedVolume::rooting().
  Node& remember(const std::shared_ptr<ServedVolume>& volume,
                 std::unique_ptr<backends::Inode> inode);

  // Takes `count` look-ups back. Whoever holds what the node had open with the kernel gives it up
  // in `on_gone`, which runs before the node is destroyed, without a lock held. Returns the volume
  // that has one node less now, if it has.
  template <class F>
  std::shared_ptr<ServedVolume> forget(NodeId id, std::uint64_t count, F&& on_gone) {
    std::unique_ptr<Node> gone = take(id, count);
    if (!gone) return nullptr;
    on_gone(*gone);
    std::shared_ptr<ServedVolume> volume = gone->volume;
    gone.reset();
    --volume->nodes;
    return volume;
  }

  // 0 when the kernel does not know that file.
  NodeId id_of(const ServedVolume& volume, const backends::Inode& inode) const;

  // Calls `use` with the inode of a volume's file, if the kernel knows it, and keeps it known
  // meanwhile.
  void with(const ServedVolume& volume, std::string_view key,
            const std::function<void(backends::Inode&)>& use);

  std::size_t size() const;

  // The nodes of one volume that the kernel has not forgotten, the newest first: a directory comes
  // behind what was found in it.
  std::vector<NodeId> nodes_of(const ServedVolume& volume) const;

 private:
  static constexpr std::size_t kShards = 64;

  struct Key {
    const ServedVolume* volume;
    std::string_view inode;
    bool operator==(const Key&) const = default;
  };
  // Nodes by their keys, which they have themselves: a million of them should be small. What throws
  // has its result kept in the table.
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const;
    std::size_t operator()(const Node* node) const { return (*this)(key_of(*node)); }
  };
  struct SameKey {
    using is_transparent = void;
    bool operator()(const Node* left, const Node* right) const { return left == right; }
    bool operator()(const Key& key, const Node* node) const { return key == key_of(*node); }
    bool operator()(const Node* node, const Key& key) const { return key == key_of(*node); }
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<NodeId, std::unique_ptr<Node>> by_id;
    std::unordered_set<Node*, KeyHash, SameKey> by_key;
    std::unordered_map<const ServedVolume*, Node*> of_volume;  // one of its nodes; no empty ones
    void link(Node& node);
    void unlink(Node& node);
  };

  static Key key_of(const ServedVolume& volume, const backends::Inode* inode);
  static Key key_of(const Node& node) { return key_of(*node.volume, node.inode_or_root.get()); }
  std::unique_ptr<Node> take(NodeId id, std::uint64_t count);

  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> next_{1};
};

}  // namespace claimfs::fs
