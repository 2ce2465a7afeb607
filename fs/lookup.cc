#include <cerrno>

#include "fs/filesystem.h"

namespace claimfs::fs {

// Counts a found file, tells the kernel, and takes the count back when the kernel did not listen.
bool Filesystem::answer_entry(std::shared_ptr<ServedVolume> volume, Result<backends::Entry> found,
                              NodeId directory, std::string_view name, Answer<EntryReply>& answer) {
  if (!found) return answer.complete(failure(std::move(found).error()));
  Node& node = nodes_.remember(volume, std::move(found->inode));
  const NodeId id = node.id;
  volume->listed_names.looked_up(id, directory, name);
  EntryReply reply = entry_reply(node, found->attributes);
  if (found->is_from_memory) reply.attributes.trust_seconds = 0;
  const bool taken = answer.complete(reply);
  if (!taken) forget(id, 1);
  return taken;
}

// Before the kernel hears of it: from then on it holds the directory by that name.
void Filesystem::note_absent(const std::shared_ptr<ServedVolume>& volume, NodeId directory,
                             std::string_view name) {
  if (volume == tree_volume_) return;
  if (volume->absent_names.add(directory, name)) idle_proofs_.trim_later(volume);
}

Answer<backends::Entry> Filesystem::entry_answer(const Node& directory, std::string_view name,
                                                 Answer<EntryReply> answer) {
  return [this, volume = directory.volume, id = directory.id, name = std::string(name),
          answer = std::move(answer)](Result<backends::Entry> found) mutable {
    if (found)
      volume->absent_names.remove(id, name);
    else if (found.error().code == ENOENT)
      note_absent(volume, id, name);
    return answer_entry(std::move(volume), std::move(found), id, name, answer);
  };
}

Answer<void> Filesystem::gone_answer(const Node& directory, std::string_view name,
                                     Answer<void> answer) {
  return [this, volume = directory.volume, id = directory.id, name = std::string(name),
          answer = std::move(answer)](Result<void> done) mutable {
    if (done) note_absent(volume, id, name);
    return answer.complete(std::move(done));
  };
}

// A claim's own directory, from what is known of it: it is there even when its server is not.
void Filesystem::answer_claim(std::shared_ptr<ServedVolume> volume, Answer<EntryReply> answer) {
  const Attributes seen = volume->root_attributes();
  std::unique_lock rooting(volume->rooting());
  Node& node = nodes_.remember(volume, nullptr);
  rooting.unlock();
  const NodeId id = node.id;
  NodeAttributes attributes = describe(node, seen);
  attributes.trust_seconds = 0;
  if (!answer.complete(EntryReply{id, attributes, kTrustSeconds})) forget(id, 1);
}

void Filesystem::lookup(const Caller& caller, NodeId parent, std::string_view name,
                        Answer<EntryReply> answer) {
  Result<Node*> directory = node_for(Access::Look, parent, caller);
  if (!directory) return answer.refuse(directory.error());
  Node& at = **directory;
  if (at.volume == tree_volume_) {
    if (auto claim = tree_.claim_at(at.inode(), name)) {
      answer_claim(std::move(claim), std::move(answer));
      return;
    }
  }
  at.volume->backend().lookup(caller, at.inode(), name, entry_answer(at, name, std::move(answer)));
}

void Filesystem::forget(NodeId id, std::uint64_t count) {
  const auto volume = nodes_.forget(id, count, [this](Node& node) {
    if (node.opens.backing_id > 0) {
      door_->dismiss(node.opens.backing_id);
      --backing_ids_;
    }
    locks_.forget(node.id);
    node.volume->listed_names.forget(node.id);
  });
  if (volume) idle_proofs_.forgotten(*volume);
}

}  // namespace claimfs::fs
