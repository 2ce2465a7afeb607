#include "fs/filesystem.h"

#include <sys/stat.h>

#include <cerrno>

namespace claimfs::fs {

Filesystem::Filesystem(std::unique_ptr<Tree> tree, InodeNumbers numbers, Effects effects,
                       std::string node_name)
    : tree_(*tree),
      tree_volume_(std::make_shared<ServedVolume>(ServedClaim{}, std::move(tree), nullptr)),
      nodes_(tree_volume_),
      numbers_(std::move(numbers)),
      effects_(std::move(effects)),
      node_name_(std::move(node_name)) {
  (void)tree_volume_->use();  // the tree's own start cannot fail
}

ServedVolume* Filesystem::volume_of(NodeId node) {
  Node* known = nodes_.find(node);
  return known ? known->volume.get() : nullptr;
}

Result<Node*> Filesystem::node_in_use(NodeId id) {
  Node* node = nodes_.find(id);
  if (!node) return failure(ESTALE);
  TRY_VOID(node->volume->use());
  return node;
}

Result<Node*> Filesystem::node_for_change(NodeId id) {
  Node* node = nodes_.find(id);
  if (!node) return failure(ESTALE);
  if (node->volume->is_read_only()) return failure(EROFS);
  TRY_VOID(node->volume->use());
  return node;
}

NodeAttributes Filesystem::describe(Node& node, const Attributes& attributes) {
  if (node.is_volume_root()) node.volume->saw_root(attributes);
  const bool has_set_id = S_ISREG(attributes.mode) && (attributes.mode & (S_ISUID | S_ISGID)) != 0;
  if (node.has_set_id.load(std::memory_order_relaxed) != has_set_id) node.has_set_id.store(has_set_id);
  // A passthrough writer changes size, times and set-id bits behind the kernel's cached attributes.
  const bool may_change_silently = has_set_id || node.silent_writers.load(std::memory_order_relaxed) > 0;
  return {attributes, numbers_.number(attributes.device, attributes.ino), may_change_silently ? 0 : kTrustSeconds};
}

}  // namespace claimfs::fs
