#include <fcntl.h>
#include <cstdio>

#include <cerrno>

#include "fs/filesystem.h"

namespace claimfs::fs {

void Filesystem::make_node(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                           dev_t device, Answer<EntryReply> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  at.volume->backend().make_node(caller, at.inode(), name, mode, device,
                                 entry_answer(at, name, std::move(answer)));
}

void Filesystem::make_directory(const Caller& caller, NodeId parent, std::string_view name,
                                mode_t mode, Answer<EntryReply> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  at.volume->backend().make_directory(caller, at.inode(), name, mode,
                                      entry_answer(at, name, std::move(answer)));
}

void Filesystem::make_symlink(const Caller& caller, NodeId parent, std::string_view name,
                              std::string_view target, Answer<EntryReply> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  at.volume->backend().make_symlink(caller, at.inode(), name, target,
                                    entry_answer(at, name, std::move(answer)));
}

namespace {

// Two volumes are two filesystems to mv and ln, but nothing may be moved into or out of the tree's
// own directories: EXDEV would make mv copy and delete.
int refusal_across(const std::shared_ptr<ServedVolume>& from,
                   const std::shared_ptr<ServedVolume>& to,
                   const std::shared_ptr<ServedVolume>& tree) {
  if (from == to) return 0;
  return from == tree || to == tree ? EPERM : EXDEV;
}

}  // namespace

void Filesystem::link(const Caller& caller, NodeId id, NodeId new_parent, std::string_view new_name,
                      Answer<EntryReply> answer) {
  Result<Node*> node = node_for_change(id, caller);
  Result<Node*> directory = node ? node_for_change(new_parent, caller) : node;
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  if (const int refusal = refusal_across((*node)->volume, at.volume, tree_volume_))
    return answer.refuse(refusal);
  at.volume->backend().link(caller, (*node)->inode(), at.inode(), new_name,
                            entry_answer(at, new_name, std::move(answer)));
}

void Filesystem::unlink(const Caller& caller, NodeId parent, std::string_view name,
                        Answer<void> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  at.volume->backend().unlink(caller, at.inode(), name, gone_answer(at, name, std::move(answer)));
}

void Filesystem::remove_directory(const Caller& caller, NodeId parent, std::string_view name,
                                  Answer<void> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  if (at.volume == tree_volume_) {
    if (auto claim = tree_.claim_at(at.inode(), name)) {
      delete_claim(caller, std::move(claim), std::move(answer));
      return;
    }
  }
  at.volume->backend().remove_directory(caller, at.inode(), name,
                                        gone_answer(at, name, std::move(answer)));
}

void Filesystem::rename(const Caller& caller, NodeId parent, std::string_view name,
                        NodeId new_parent, std::string_view new_name, unsigned flags,
                        Answer<void> answer) {
  Node* from = nodes_.find(parent);
  Node* to = nodes_.find(new_parent);
  if (!from || !to) return answer.refuse(ESTALE);
  if (const int refusal = refusal_across(from->volume, to->volume, tree_volume_))
    return answer.refuse(refusal);
  if (const Result<Node*> ready = node_for_change(parent, caller); !ready)
    return answer.refuse(ready.error());
  const bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
  Answer<void> moved =
      is_exchange ? std::move(answer) : gone_answer(*from, name, std::move(answer));
  from->volume->backend().rename(
      caller, from->inode(), name, to->inode(), new_name, flags,
      [to, new_name = std::string(new_name), moved = std::move(moved)](Result<void> done) mutable {
        if (done) to->volume->absent_names.remove(to->id, new_name);
        return moved.complete(std::move(done));
      });
}

void Filesystem::read_link(const Caller& caller, NodeId id, Answer<std::string> answer) {
  Result<Node*> node = node_for(Access::Look, id, caller);
  if (!node) return answer.refuse(node.error());
  (*node)->volume->backend().read_link(caller, (*node)->inode(), std::move(answer));
}

namespace {

struct FirstName final : backends::DirectorySink {
  bool wants_attributes() const override { return false; }
  bool add(std::string_view name, std::uint64_t, std::uint64_t, unsigned char, std::uint64_t,
           std::optional<backends::Entry>) override {
    if (name == "." || name == "..") return true;
    is_found = true;
    return false;
  }
  bool is_found = false;
};

// Answers 0 when the volume's root holds no name, else ENOTEMPTY.
void require_empty(const Caller& caller, std::shared_ptr<ServedVolume> volume,
                   Answer<void> answer) {
  volume->backend().open_directory(
      caller, volume->root(),
      [volume, caller,
       answer = std::move(answer)](Result<std::unique_ptr<backends::File>> opened) mutable {
        if (!opened) return answer.complete(failure(std::move(opened).error()));
        auto sink = std::make_unique<FirstName>();
        FirstName& seen = *sink;
        backends::File& directory = **opened;
        volume->backend().read_directory(caller, directory, 0, seen,
                                         [sink = std::move(sink), opened = std::move(*opened),
                                          answer = std::move(answer)](Result<void> read) mutable {
                                           if (!read) return answer.complete(std::move(read));
                                           if (sink->is_found) return answer.fail(ENOTEMPTY);
                                           return answer.complete({});
                                         });
        return true;
      });
}

}  // namespace

// `rmdir MOUNT/ns/claim` is `claimfs delete pvc`, for a claim that is unused and empty. The kernel
// itself holds the directory during rmdir, so that its forgetting proves nothing here: what is
// known decides.
void Filesystem::delete_claim(const Caller& caller, std::shared_ptr<ServedVolume> volume,
                              Answer<void> answer) {
  if (volume->open_handles.load() > 0) return answer.refuse(EBUSY);
  const auto claim = volume->claim();
  if (claim->is_block) return answer.refuse(ENOTDIR);
  if (const Result<void> ready = volume->use(Access::Read, caller); !ready)
    return answer.refuse(ready.error());
  require_empty(caller, volume,
                [this, volume, claim, answer = std::move(answer)](Result<void> empty) mutable {
                  if (!empty) return answer.complete(std::move(empty));
                  if (effects_.is_used_by_processes && effects_.is_used_by_processes(*claim))
                    return answer.fail(EBUSY);
                  return answer.complete(effects_.delete_claim ? effects_.delete_claim(*claim)
                                                               : failure(EPERM));
                });
}

}  // namespace claimfs::fs
