#include <cerrno>
#include <cstdio>
#include <set>

#include "fs/filesystem.h"

namespace claimfs::fs {

namespace {

// Ours on a claim's root (DESIGN.md 2). They are not listed, so that cp -a and rsync -X do not
// carry them away.
constexpr std::string_view kReserved = "user.claimfs.";
constexpr std::string_view kAccessAcl = "system.posix_acl_access";

bool is_reserved(const Node& node, std::string_view name) {
  return node.is_volume_root() && name.starts_with(kReserved);
}

// Lists of names, each ended by NUL.
constexpr std::string_view kTrusted = "trusted.";

std::string without_trusted(std::string_view names) {
  std::string rest;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\0') + 1);
    names.remove_prefix(name.empty() ? names.size() : name.size());
    if (!name.starts_with(kTrusted)) rest += name;
  }
  return rest;
}

bool has_trusted(std::string_view names) { return without_trusted(names).size() != names.size(); }

}  // namespace

// Empty when there is no such attribute.
std::string Filesystem::claim_attribute(Node& node, std::string_view name) {
  const auto claim = node.volume->claim();
  const std::string_view word = name.substr(kReserved.size());
  if (word == "phase") return claim->phase;
  if (word == "volume") return claim->volume_name;
  if (word == "capacity") return claim->capacity;
  if (word == "accessModes") return claim->access_modes;
  if (word == "storageClass") return claim->storage_class;
  if (word == "reclaimPolicy") return claim->reclaim_policy;
  const auto asked = [&claim](const auto& effect) {
    std::string text = effect ? effect(*claim) : "";
    return text.empty() ? "<none>" : text;
  };
  if (word == "attachedTo") return asked(effects_.attached_to);
  if (word == "usedBy") return asked(effects_.used_by);
  return {};
}

void Filesystem::get_xattr(const Caller& caller, NodeId id, std::string_view name,
                           Answer<std::string> answer) {
  Node* node = nodes_.find(id);
  if (!node) return answer.refuse(ESTALE);
  const bool is_claim_root = is_reserved(*node, name) && node->volume != tree_volume_;
  if (is_claim_root && name != "user.claimfs.used") {
    std::string value = claim_attribute(*node, name);
    if (value.empty() && name != "user.claimfs.storageClass")
      answer.fail(ENODATA);
    else
      answer.complete(std::move(value));
    return;
  }
  if (const Result<void> ready = node->volume->use(Access::Look, caller); !ready)
    return answer.refuse(ready.error());
  if (is_claim_root) {
    node->volume->backend().file_system_state(
        caller, [answer = std::move(answer)](Result<backends::FileSystemState> state) mutable {
          if (!state) return answer.complete(failure(std::move(state).error()));
          if (!state->used_bytes) return answer.fail(ENODATA);
          return answer.complete(std::to_string(*state->used_bytes));
        });
    return;
  }
  node->volume->backend().get_xattr(caller, node->inode(), name, std::move(answer));
}

void Filesystem::set_xattr(const Caller& caller, NodeId id, std::string_view name,
                           std::string_view value, int flags,
                           const std::function<bool(gid_t)>& is_member, Answer<void> answer) {
  Result<Node*> found = node_for_change(id, caller);
  if (!found) return answer.refuse(found.error());
  Node& node = **found;
  if (is_reserved(node, name)) return answer.refuse(EPERM);
  backends::Backend& backend = node.volume->backend();
  if (name != kAccessAcl || caller.uid == 0) {
    backend.set_xattr(caller, node.inode(), name, value, flags, true, std::move(answer));
    return;
  }
  // An ACL set by somebody outside the file's group takes its set-gid bit away.
  backend.get_attributes(
      caller, node.inode(), nullptr,
      [&backend, &node, caller, name = std::string(name), value = std::string(value), flags,
       is_member, answer = std::move(answer)](Result<Attributes> attributes) mutable {
        if (!attributes) return answer.complete(failure(std::move(attributes).error()));
        backend.set_xattr(caller, node.inode(), name, value, flags, is_member(attributes->gid),
                          std::move(answer));
        return true;
      });
}

void Filesystem::list_xattrs(const Caller& caller, NodeId id, std::function<bool()> may_administer,
                             Answer<std::string> answer) {
  Result<Node*> node = node_for(Access::Look, id, caller);
  if (!node) return answer.refuse(node.error());
  (*node)->volume->backend().list_xattrs(
      caller, (*node)->inode(),
      [may_administer = std::move(may_administer),
       answer = std::move(answer)](Result<std::string> names) mutable {
        if (names && has_trusted(*names) && !may_administer()) names = without_trusted(*names);
        return answer.complete(std::move(names));
      });
}

void Filesystem::remove_xattr(const Caller& caller, NodeId id, std::string_view name,
                              Answer<void> answer) {
  Result<Node*> node = node_for_change(id, caller);
  if (!node) return answer.refuse(node.error());
  if (is_reserved(**node, name)) return answer.refuse(EPERM);
  (*node)->volume->backend().remove_xattr(caller, (*node)->inode(), name, std::move(answer));
}

}  // namespace claimfs::fs
