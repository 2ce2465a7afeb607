#include "fs/filesystem.h"

#include <sys/stat.h>

#include <cerrno>

namespace claimfs::fs {

Filesystem::Filesystem(std::unique_ptr<Tree> tree, InodeNumbers numbers, Effects effects)
    : tree_(*tree),
      tree_volume_(std::make_shared<ServedVolume>(ServedClaim{}, std::move(tree), nullptr)),
      nodes_(tree_volume_),
      numbers_(std::move(numbers)),
      effects_(std::move(effects)),
      idle_proofs_(nodes_, effects_.has_mounts_inside) {
  (void)tree_volume_->use();  // the tree's own start cannot fail
}

namespace {

// A volume's backend, asking what the kernel remembers of it.
class RememberedOfVolume final : public backends::RememberedInodes {
 public:
  RememberedOfVolume(NodeTable& nodes, const ServedVolume& volume)
      : nodes_(nodes), volume_(volume) {}
  void with(std::string_view key, const std::function<void(backends::Inode&)>& use) override {
    nodes_.with(volume_, key, use);
  }

 private:
  NodeTable& nodes_;
  const ServedVolume& volume_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> Filesystem::show(Tree::Claims claims) {
  for (const auto& volume : claims)
    if (!volume->has_remembered())
      volume->set_remembered(std::make_unique<RememberedOfVolume>(nodes_, *volume));
  return tree_.show(std::move(claims));
}

ServedVolume* Filesystem::volume_of(NodeId node) {
  Node* known = nodes_.find(node);
  return known ? known->volume.get() : nullptr;
}

Result<Node*> Filesystem::node_for(Access access, NodeId id, const Caller& caller) {
  Node* node = nodes_.find(id);
  if (!node) return failure(ESTALE);
  TRY_VOID(node->volume->use(access, caller));
  return node;
}

NodeAttributes Filesystem::describe(Node& node, const Attributes& attributes) {
  if (node.is_volume_root()) node.volume->saw_root(attributes);
  const bool has_set_id = S_ISREG(attributes.mode) && (attributes.mode & (S_ISUID | S_ISGID)) != 0;
  if (node.has_set_id.load(std::memory_order_relaxed) != has_set_id)
    node.has_set_id.store(has_set_id);
  // A passthrough writer changes size, times and set-id bits behind the kernel's cached attributes.
  const bool may_change_silently =
      has_set_id || node.silent_writers.load(std::memory_order_relaxed) > 0;
  return {attributes, numbers_.number(attributes.device, attributes.ino),
          may_change_silently || attributes.is_guess ? 0 : kTrustSeconds};
}

// Close-to-open: in a volume that others write to as well, a file that they replaced or removed is
// not what its name opens any more, so such names are asked for at every use. SQLite's rollback
// journal depends on it: one that is there no more would be rolled back into the database.
// Directories are believed, or a path would cost a request for each of its parts; and so is what a
// listing has just told, for all but opening (ListedNames).
EntryReply Filesystem::entry_reply(Node& node, const Attributes& attributes) {
  const bool may_be_replaced = node.volume->is_shared() && !S_ISDIR(attributes.mode);
  return {node.id, describe(node, attributes), may_be_replaced ? 0 : kTrustSeconds};
}

EntryReply Filesystem::listed_reply(Node& node, const Attributes& attributes, NodeId directory,
                                    std::string_view name) {
  EntryReply reply = entry_reply(node, attributes);
  if (reply.trust_name_seconds == 0 && node.volume->listed_names.add(node.id, directory, name))
    reply.trust_name_seconds = kTrustSeconds;
  return reply;
}

}  // namespace claimfs::fs
