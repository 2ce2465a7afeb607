#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "fs/filesystem.h"

namespace claimfs::fs {

void Filesystem::get_attributes(const Caller& caller, NodeId id, Handle* handle,
                                Answer<NodeAttributes> answer) {
  Node* node = nodes_.find(id);
  if (!node) return answer.refuse(ESTALE);
  if (!node->volume->is_in_use() && !node->is_volume_root()) {
    // It has lost its attachment while this was open.
    if (const Result<void> ready = node->volume->use(Access::Look, caller); !ready)
      return answer.refuse(ready.error());
  }
  if (!node->volume->is_in_use()) {
    // stat of a claim's directory does not begin to use it.
    node->volume->look_at_root();
    answer.complete(describe(*node, node->volume->root_attributes()));
    return;
  }
  node->volume->backend().get_attributes(
      caller, node->inode(), handle ? handle->file.get() : nullptr,
      [this, node, answer = std::move(answer)](Result<Attributes> attributes) mutable {
        if (!attributes) return answer.complete(failure(std::move(attributes).error()));
        return answer.complete(describe(*node, *attributes));
      });
}

void Filesystem::set_attributes(const Caller& caller, NodeId id, Handle* handle,
                                backends::AttributeChanges changes, Answer<NodeAttributes> answer) {
  Result<Node*> node = node_for_change(id, caller);
  if (!node) return answer.refuse(node.error());
  Node& changed = **node;
  changed.volume->backend().set_attributes(
      caller, changed.inode(), handle ? handle->file.get() : nullptr, changes,
      [this, &changed, answer = std::move(answer)](Result<Attributes> attributes) mutable {
        if (!attributes) return answer.complete(failure(std::move(attributes).error()));
        return answer.complete(describe(changed, *attributes));
      });
}

namespace {

constexpr std::uint64_t kBlock = 4096;

// df of a claim: its capacity, and no more free than its filesystem has.
backends::FileSystemState within_capacity(backends::FileSystemState state,
                                          const ServedClaim& claim) {
  if (claim.capacity_bytes == 0) return state;
  const std::uint64_t backing_free = state.blocks_available * state.block_size;
  const std::uint64_t used = std::min(claim.capacity_bytes, state.used_bytes.value_or(0));
  const std::uint64_t free = std::min(claim.capacity_bytes - used, backing_free);
  state.block_size = kBlock;
  state.blocks = (claim.capacity_bytes + kBlock - 1) / kBlock;
  // What the backing filesystem lacks shows as used: free plus used is the capacity, as df expects.
  state.blocks_free = state.blocks_available = free / kBlock;
  return state;
}

}  // namespace

void Filesystem::file_system_state(const Caller& caller, NodeId id,
                                   Answer<backends::FileSystemState> answer) {
  Node* node = nodes_.find(id);
  if (!node) return answer.refuse(ESTALE);
  if (node->volume == tree_volume_) {
    backends::FileSystemState sum{};
    sum.block_size = kBlock;
    sum.name_max = 255;
    std::uint64_t used = 0;
    for (const auto& volume : tree_.claims()) {
      const std::uint64_t capacity = volume->claim()->capacity_bytes;
      sum.blocks += capacity / kBlock;
      used += std::min(capacity, volume->used_bytes.load()) / kBlock;
    }
    sum.blocks_free = sum.blocks_available = sum.blocks - used;
    answer.complete(sum);
    return;
  }
  if (const Result<void> ready = node->volume->use(Access::Look, caller); !ready)
    return answer.refuse(ready.error());
  node->volume->backend().file_system_state(
      caller, [volume = node->volume,
               answer = std::move(answer)](Result<backends::FileSystemState> state) mutable {
        if (!state) return answer.complete(std::move(state));
        volume->used_bytes = state->used_bytes.value_or(0);
        return answer.complete(within_capacity(*state, *volume->claim()));
      });
}

}  // namespace claimfs::fs
