#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "fs/filesystem.h"

namespace claimfs::fs {

namespace {

bool may_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

// More of the kernel's names for native files than this are given up at the last close instead of
// kept until the kernel forgets the inode: each holds a struct file.
constexpr std::uint32_t kBackingIdsKept = 16'384;

// Conditions of the moment; everything else that the kernel says against passthrough stays true of
// the volume.
bool is_passing(int error) {
  return error == ENOMEM || error == EMFILE || error == ENFILE || error == EBADF;
}

}  // namespace

std::unique_ptr<Handle> Filesystem::make_handle(Node& node, std::unique_ptr<backends::File> file,
                                                const Caller& caller, int flags) {
  auto handle = std::make_unique<Handle>();
  handle->file = std::move(file);
  handle->node = &node;
  handle->pid = caller.pid;
  handle->flags = flags;
  ++open_handles_;
  ++node.volume->open_handles;
  return handle;
}

// The kernel's name for the node's native file, asked for once; 0 when there is none. No lock is
// held while asking.
int Filesystem::backing_of(Node& node, Handle& handle) {
  ServedVolume& volume = *node.volume;
  if (!door_ || !volume.may_pass_through()) return 0;
  {
    std::scoped_lock lock(opens_lock_for(node.id));
    if (node.opens.mode == IoMode::Cached) return 0;
    if (node.opens.backing_id > 0) return node.opens.backing_id;
  }
  const Fd native = handle.file->passthrough_descriptor();
  if (!native) return 0;
  const Result<int> admitted = door_->admit(native.get());
  if (!admitted) {
    if (!is_passing(admitted.error().code)) volume.refuse_passthrough(admitted.error().code);
    return 0;
  }
  // The kernel will do I/O that goes on when we are dead: others have to know before.
  const auto note = [&] { return effects_.note_passthrough(*volume.claim()); };
  if (effects_.note_passthrough && !volume.may_be_passing(note)) {
    door_->dismiss(*admitted);
    return 0;
  }
  int id = *admitted;
  int superfluous = 0;
  {
    std::scoped_lock lock(opens_lock_for(node.id));
    if (node.opens.backing_id > 0 || node.opens.mode == IoMode::Cached) superfluous = id;
    if (node.opens.mode == IoMode::Cached)
      id = 0;
    else if (node.opens.backing_id > 0)
      id = node.opens.backing_id;
    else
      node.opens.backing_id = id;
  }
  if (superfluous > 0)
    door_->dismiss(superfluous);
  else
    ++backing_ids_;
  return id;
}

// Decides how the kernel does I/O through this handle. All opens of an inode agree on the native
// file or on the page cache; the kernel answers EIO to a mix (FUSE.md 4).
OpenReply Filesystem::open_with_kernel(Node& node, Handle& handle) {
  OpenReply reply;
  reply.handle = &handle;
  if (node.volume == tree_volume_) {
    reply.direct_io = true;  // texts have no size before they are read
    return reply;
  }
  int backing_id = backing_of(node, handle);
  {
    std::scoped_lock lock(opens_lock_for(node.id));
    Node::Opens& opens = node.opens;
    if (opens.mode == IoMode::Closed)
      opens.mode = backing_id > 0 ? IoMode::Passthrough : IoMode::Cached;
    else if (opens.mode == IoMode::Passthrough)
      backing_id = opens.backing_id;
    else
      backing_id = 0;
    ++opens.count;
  }
  handle.counts_as_open = true;
  reply.backing_id = backing_id;
  // Another mount of the same node, which an exclusive volume may have, is noticed by the times
  // that the kernel asks for when its attributes are older than kTrustSeconds.
  reply.keep_cache = (!node.volume->is_shared() && node.volume->backend().is_changed_here_only()) ||
                     handle.file->is_as_cached();
  if (backing_id > 0 && may_write(handle.flags)) {
    // Writes to a set-id file come to us, with the kernel's word on whether the bits must go; and
    // all where they are what the volume is kept within its capacity by. Readers go on by
    // themselves.
    reply.direct_io = node.has_set_id.load() || node.volume->backend().must_see_writes();
    handle.counts_as_silent_writer = true;
    ++node.silent_writers;
  }
  return reply;
}

bool Filesystem::answer_open(Node& node, Result<std::unique_ptr<backends::File>> opened,
                             const Caller& caller, int flags, Answer<OpenReply>& answer) {
  if (!opened) return answer.complete(failure(std::move(opened).error()));
  Handle* handle = make_handle(node, std::move(*opened), caller, flags).release();
  const bool taken = answer.complete(open_with_kernel(node, *handle));
  if (!taken) release(handle);
  return taken;
}

void Filesystem::open(const Caller& caller, NodeId id, int flags, bool kill_set_id,
                      Answer<OpenReply> answer) {
  const bool is_change = may_write(flags) || (flags & O_TRUNC) != 0;
  Result<Node*> found =
      is_change ? node_for_change(id, caller) : node_for(Access::Read, id, caller);
  if (!found) return answer.refuse(found.error());
  Node& node = **found;
  const auto listed = node.volume->listed_names.name_of(id);
  Node* directory = listed ? nodes_.find(listed->directory) : nullptr;
  if (!directory) {
    open_known(node, caller, flags, kill_set_id, std::move(answer));
    return;
  }
  node.volume->backend().lookup(
      caller, directory->inode(), listed->name,
      [this, &node, caller, flags, kill_set_id,
       answer = std::move(answer)](Result<backends::Entry> there) mutable {
        const bool is_the_same = there && there->inode->key() == node.inode().key();
        if (is_the_same || node.volume->listed_names.forget(node.id)) {
          open_known(node, caller, flags, kill_set_id, std::move(answer));
          return true;
        }
        // The kernel asks for the name then, and opens what that stands for now.
        return answer.fail(there || there.error().code == ENOENT ? ESTALE : there.error().code);
      });
}

void Filesystem::open_known(Node& node, const Caller& caller, int flags, bool kill_set_id,
                            Answer<OpenReply> answer) {
  // Truncation is a step of its own, since only there can set-id bits be killed on the caller's
  // behalf.
  node.volume->backend().open(
      caller, node.inode(), flags & ~O_TRUNC,
      [this, &node, caller, flags, kill_set_id,
       answer = std::move(answer)](Result<std::unique_ptr<backends::File>> opened) mutable {
        if (!opened || (flags & O_TRUNC) == 0)
          return answer_open(node, std::move(opened), caller, flags, answer);
        backends::AttributeChanges truncation;
        truncation.size = 0;
        truncation.kill_set_id = kill_set_id;
        backends::File* file = opened->get();
        node.volume->backend().set_attributes(
            caller, node.inode(), file, truncation,
            [this, &node, caller, flags, file = std::move(*opened),
             answer = std::move(answer)](Result<Attributes> truncated) mutable {
              if (!truncated) return answer.complete(failure(std::move(truncated).error()));
              describe(node, *truncated);
              return answer_open(node, std::move(file), caller, flags, answer);
            });
        return true;
      });
}

bool Filesystem::answer_created(std::shared_ptr<ServedVolume> volume,
                                Result<backends::Created> created, const Caller& caller, int flags,
                                Answer<CreateReply>& answer) {
  if (!created) return answer.complete(failure(std::move(created).error()));
  Node& node = nodes_.remember(volume, std::move(created->entry.inode));
  const NodeId id = node.id;
  Handle* handle = make_handle(node, std::move(created->file), caller, flags).release();
  CreateReply reply;
  // Described first: how a file with set-id bits is written to depends on them.
  reply.entry = entry_reply(node, created->entry.attributes);
  reply.open = open_with_kernel(node, *handle);
  const bool taken = answer.complete(std::move(reply));
  if (!taken) {
    release(handle);
    forget(id, 1);
  }
  return taken;
}

void Filesystem::create(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                        int flags, bool kill_set_id, Answer<CreateReply> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  const std::shared_ptr<ServedVolume> volume = (*directory)->volume;
  // Whatever comes of it, the name may be there from here on.
  volume->absent_names.remove(parent, name);
  volume->backend().create(
      caller, (*directory)->inode(), name, mode, flags & ~O_TRUNC,
      [this, volume, caller, flags, kill_set_id,
       answer = std::move(answer)](Result<backends::Created> created) mutable {
        // A file that somebody else made since the kernel's look-up is opened, and then O_TRUNC
        // means something.
        if (!created || (flags & O_TRUNC) == 0 || created->entry.attributes.size == 0)
          return answer_created(volume, std::move(created), caller, flags, answer);
        backends::AttributeChanges truncation;
        truncation.size = 0;
        truncation.kill_set_id = kill_set_id;
        backends::Inode& inode = *created->entry.inode;
        backends::File* file = created->file.get();
        volume->backend().set_attributes(
            caller, inode, file, truncation,
            [this, volume, caller, flags, created = std::move(*created),
             answer = std::move(answer)](Result<Attributes> truncated) mutable {
              if (!truncated) return answer.complete(failure(std::move(truncated).error()));
              created.entry.attributes = *truncated;
              return answer_created(volume, std::move(created), caller, flags, answer);
            });
        return true;
      });
}

void Filesystem::create_unnamed(const Caller& caller, NodeId parent, mode_t mode, int flags,
                                Answer<CreateReply> answer) {
  Result<Node*> directory = node_for_change(parent, caller);
  if (!directory) return answer.refuse(directory.error());
  const std::shared_ptr<ServedVolume> volume = (*directory)->volume;
  volume->backend().create_unnamed(
      caller, (*directory)->inode(), mode, flags,
      [this, volume, caller, flags,
       answer = std::move(answer)](Result<backends::Created> created) mutable {
        return answer_created(volume, std::move(created), caller, flags, answer);
      });
}

void Filesystem::release(Handle* released) {
  const std::unique_ptr<Handle> handle(released);
  Node& node = *handle->node;
  if (handle->may_hold_locks.load()) {
    // What is left are OFD locks: their owner is the open file itself, and no close(2) has named
    // it.
    for (const std::uint64_t owner : handle->lock_owners) drop_locks_of(*handle, owner);
  }
  if (handle->counts_as_silent_writer) --node.silent_writers;
  int superfluous = 0;
  if (handle->counts_as_open) {
    std::scoped_lock lock(opens_lock_for(node.id));
    if (--node.opens.count == 0) {
      node.opens.mode = IoMode::Closed;
      if (node.opens.backing_id > 0 && backing_ids_.load() > kBackingIdsKept)
        superfluous = std::exchange(node.opens.backing_id, 0);
    }
  }
  if (superfluous > 0) {
    door_->dismiss(superfluous);
    --backing_ids_;
  }
  --node.volume->open_handles;
  --open_handles_;
}

void Filesystem::read(const Caller& caller, Handle& handle, std::size_t size, off_t offset,
                      Answer<std::span<const std::byte>> answer) {
  if (!handle.node->volume->is_in_use()) return answer.refuse(EIO);
  handle.node->volume->backend().read(caller, *handle.file, size, offset, std::move(answer));
}

void Filesystem::write(const Caller& caller, Handle& handle, std::span<const std::byte> data,
                       off_t offset, backends::Backend::WriteOptions options,
                       Answer<std::size_t> answer) {
  if (!handle.node->volume->is_in_use()) return answer.refuse(EIO);
  handle.node->volume->backend().write(caller, *handle.file, data, offset, options,
                                       std::move(answer));
}

void Filesystem::flush(const Caller& caller, Handle& handle, std::uint64_t lock_owner,
                       Answer<void> answer) {
  drop_locks_of(handle, lock_owner);
  note_closing(handle);
  handle.node->volume->backend().flush(caller, *handle.file, std::move(answer));
}

void Filesystem::sync(const Caller& caller, Handle& handle, bool data_only, Answer<void> answer) {
  handle.node->volume->backend().sync(caller, *handle.file, data_only, std::move(answer));
}

void Filesystem::allocate(const Caller& caller, Handle& handle, int mode, off_t offset,
                          off_t length, Answer<void> answer) {
  if (!handle.node->volume->is_in_use()) return answer.refuse(EIO);
  handle.node->volume->backend().allocate(caller, *handle.file, mode, offset, length,
                                          std::move(answer));
}

void Filesystem::seek(const Caller& caller, Handle& handle, off_t offset, int whence,
                      Answer<off_t> answer) {
  handle.node->volume->backend().seek(caller, *handle.file, offset, whence, std::move(answer));
}

void Filesystem::copy_range(const Caller& caller, Handle& from, off_t from_offset, Handle& to,
                            off_t to_offset, std::size_t length, Answer<std::size_t> answer) {
  if (from.node->volume != to.node->volume) {
    answer.fail(EXDEV);  // the kernel copies by itself then
    return;
  }
  if (!to.node->volume->is_in_use()) return answer.refuse(EIO);
  to.node->volume->backend().copy_range(caller, *from.file, from_offset, *to.file, to_offset,
                                        length, std::move(answer));
}

}  // namespace claimfs::fs
