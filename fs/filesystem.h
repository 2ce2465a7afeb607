#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backend.h"
#include "base/answer.h"
#include "fs/idle_proofs.h"
#include "fs/inode_numbers.h"
#include "fs/lock_book.h"
#include "fs/node_table.h"
#include "fs/request_counts.h"
#include "fs/tree.h"
#include "fs/waiting_threads.h"

namespace claimfs::fs {

using backends::Attributes;
using backends::Caller;
using backends::Interruption;

// How long the kernel may believe names and attributes, in seconds. One second is as good as a day
// for hot data (FUSE.md 3), and bounds how stale another mount's or the host's changes can be.
inline constexpr double kTrustSeconds = 1.0;

struct NodeAttributes {
  Attributes attributes;
  std::uint64_t ino = 0;  // st_ino, unique over the mount
  double trust_seconds = 0;
};

struct EntryReply {
  NodeId node = 0;
  NodeAttributes attributes;
  double trust_name_seconds = 0;
};

// An open file or directory of the kernel's.
struct Handle {
  std::unique_ptr<backends::File> file;
  Node* node = nullptr;  // held by the kernel for as long as the handle is
  pid_t pid = 0;
  int flags = 0;
  bool counts_as_silent_writer = false;
  bool counts_as_open = false;              // in the node's opens (files, not directories)
  bool wants_attributes = false;            // of what it lists, a directory
  std::atomic<bool> may_hold_locks{false};  // some lock was asked for through it
  std::mutex lock_owners_mutex;
  std::vector<std::uint64_t> lock_owners;  // who took them
};

struct OpenReply {
  Handle* handle = nullptr;
  int backing_id = 0;  // > 0: the kernel reads and writes the native file itself
  bool direct_io = false;
  bool keep_cache = false;  // what the kernel has cached of the file is true still
  bool cache_names =
      false;  // the kernel may keep the names that it is told, and need not ask for them
};

struct CreateReply {
  EntryReply entry;
  OpenReply open;
};

// Where a directory's entries go: the kernel's buffer. add() returns false when it is full.
class EntryWriter {
 public:
  virtual ~EntryWriter() = default;
  virtual bool wants_entries() const = 0;
  virtual bool add(const std::string& name, std::uint64_t ino, unsigned char type,
                   std::uint64_t next, const EntryReply* entry) = 0;
};

// The kernel's side of passthrough: gives a native descriptor a number that an open can be answered
// with.
class PassthroughDoor {
 public:
  virtual ~PassthroughDoor() = default;
  virtual Result<int> admit(int native_descriptor) = 0;  // > 0
  virtual void dismiss(int backing_id) = 0;
};

// What the filesystem wants done elsewhere.
struct Effects {
  // rmdir of an idle and empty claim: what `claimfs delete pvc --wait=false` does. EBUSY when a Pod
  // or another mount uses it.
  std::function<Result<void>(const ServedClaim&)> delete_claim;
  // Processes with a working directory, a root or a bind mount in this claim's directory.
  std::function<bool(const ServedClaim&)> is_used_by_processes;
  // As IdleProofs::HasMounts.
  std::function<bool(const ServedClaim&)> has_mounts_inside;
  // The kernel is about to do I/O by itself on a file of this claim, for the first time since it
  // was attached. It does not where this fails. Blocks on the store.
  std::function<Result<void>(const ServedClaim&)> note_passthrough;
  // For user.claimfs.attachedTo and .usedBy: which nodes, and who. Each may take a search of the
  // store and of /proc, and is asked by whoever reads the attribute by its name. Empty: nobody.
  std::function<std::string(const ServedClaim&)> attached_to = {};
  std::function<std::string(const ServedClaim&)> used_by = {};
};

// The kernel's questions, answered: one method for each operation, grouped in one file for each
// family. No libfuse in here; answers are completed into whatever the caller made them from. A
// false from an answer means that the kernel did not take it, and what it counted is undone.
class Filesystem {
 public:
  Filesystem(std::unique_ptr<Tree> tree, InodeNumbers numbers, Effects effects);

  void set_passthrough_door(PassthroughDoor* door) { door_ = door; }
  void set_kernel_cache(KernelCache* cache) { idle_proofs_.set_kernel_cache(cache); }
  // Nobody waits for a lock any more, or will.
  void end_waits() { waits_.end(); }
  // Most requests come by io_uring, not by /dev/fuse.
  void set_has_rings() { has_rings_.store(true); }
  bool has_rings() const { return has_rings_.load(); }

  // As IdleProofs::prove.
  void prove_unused(std::shared_ptr<ServedVolume> volume, bool for_good,
                    IdleProofs::Answer answer) {
    idle_proofs_.prove(std::move(volume), for_good, std::move(answer));
  }

  // Makes these claims the tree's. Returns what went, as Tree::show().
  std::vector<std::pair<std::string, std::string>> show(Tree::Claims claims);

  // lookup.cc
  void lookup(const Caller& caller, NodeId parent, std::string_view name,
              Answer<EntryReply> answer);
  void forget(NodeId node, std::uint64_t count);

  // attributes.cc
  void get_attributes(const Caller& caller, NodeId node, Handle* handle,
                      Answer<NodeAttributes> answer);
  void set_attributes(const Caller& caller, NodeId node, Handle* handle,
                      backends::AttributeChanges changes, Answer<NodeAttributes> answer);
  void file_system_state(const Caller& caller, NodeId node,
                         Answer<backends::FileSystemState> answer);

  // names.cc
  void make_node(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                 dev_t device, Answer<EntryReply> answer);
  void make_directory(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                      Answer<EntryReply> answer);
  void make_symlink(const Caller& caller, NodeId parent, std::string_view name,
                    std::string_view target, Answer<EntryReply> answer);
  void link(const Caller& caller, NodeId node, NodeId new_parent, std::string_view new_name,
            Answer<EntryReply> answer);
  void unlink(const Caller& caller, NodeId parent, std::string_view name, Answer<void> answer);
  void remove_directory(const Caller& caller, NodeId parent, std::string_view name,
                        Answer<void> answer);
  void rename(const Caller& caller, NodeId parent, std::string_view name, NodeId new_parent,
              std::string_view new_name, unsigned flags, Answer<void> answer);
  void read_link(const Caller& caller, NodeId node, Answer<std::string> answer);

  // files.cc
  void open(const Caller& caller, NodeId node, int flags, bool kill_set_id,
            Answer<OpenReply> answer);
  void create(const Caller& caller, NodeId parent, std::string_view name, mode_t mode, int flags,
              bool kill_set_id, Answer<CreateReply> answer);
  void create_unnamed(const Caller& caller, NodeId parent, mode_t mode, int flags,
                      Answer<CreateReply> answer);
  void release(Handle* handle);
  void read(const Caller& caller, Handle& handle, std::size_t size, off_t offset,
            Answer<std::span<const std::byte>> answer);
  void write(const Caller& caller, Handle& handle, std::span<const std::byte> data, off_t offset,
             backends::Backend::WriteOptions options, Answer<std::size_t> answer);
  void flush(const Caller& caller, Handle& handle, std::uint64_t lock_owner, Answer<void> answer);
  void sync(const Caller& caller, Handle& handle, bool data_only, Answer<void> answer);
  void allocate(const Caller& caller, Handle& handle, int mode, off_t offset, off_t length,
                Answer<void> answer);
  void seek(const Caller& caller, Handle& handle, off_t offset, int whence, Answer<off_t> answer);
  void copy_range(const Caller& caller, Handle& from, off_t from_offset, Handle& to,
                  off_t to_offset, std::size_t length, Answer<std::size_t> answer);

  // directories.cc
  // `wants_attributes`: whether who lists it is expected to look at what it lists.
  void open_directory(const Caller& caller, NodeId node, bool wants_attributes,
                      Answer<OpenReply> answer);
  void read_directory(const Caller& caller, Handle& handle, std::uint64_t cursor,
                      EntryWriter& writer, Answer<void> answer);
  void sync_directory(const Caller& caller, Handle& handle, bool data_only, Answer<void> answer);
  // As the backend of that directory's volume.
  bool lists_attributes_anyway(NodeId directory);

  // xattrs.cc
  void get_xattr(const Caller& caller, NodeId node, std::string_view name,
                 Answer<std::string> answer);
  // `may_keep_set_gid`: asked only when an ACL is set; tells whether the caller is in the file's
  // group or privileged.
  void set_xattr(const Caller& caller, NodeId node, std::string_view name, std::string_view value,
                 int flags, const std::function<bool(gid_t)>& is_member, Answer<void> answer);
  // `may_administer` is asked only when there is something that others do not see.
  void list_xattrs(const Caller& caller, NodeId node, std::function<bool()> may_administer,
                   Answer<std::string> answer);
  void remove_xattr(const Caller& caller, NodeId node, std::string_view name, Answer<void> answer);

  // locks.cc
  void test_lock(NodeId node, const backends::RangeLock& lock, Answer<backends::RangeLock> answer);
  void set_lock(Handle& handle, const backends::RangeLock& lock, bool wait,
                std::shared_ptr<Interruption> interruption, Answer<void> answer);
  void flock(Handle& handle, int operation, std::shared_ptr<Interruption> interruption,
             Answer<void> answer);

  NodeTable& nodes() { return nodes_; }
  Tree& tree() { return tree_; }
  RequestCounts& request_counts() { return request_counts_; }
  // The volume of the node that a request names; null for an unknown node.
  ServedVolume* volume_of(NodeId node);
  std::uint64_t open_handles() const { return open_handles_.load(); }

 private:
  Result<Node*> node_for(Access access, NodeId id, const Caller& caller);
  Result<Node*> node_for_change(NodeId id, const Caller& caller) {
    return node_for(Access::Change, id, caller);
  }
  NodeAttributes describe(Node& node, const Attributes& attributes);
  // The same for a node that was found by a name.
  EntryReply entry_reply(Node& node, const Attributes& attributes);
  // The same for one that a listing brought along.
  EntryReply listed_reply(Node& node, const Attributes& attributes, NodeId directory,
                          std::string_view name);
  bool answer_entry(std::shared_ptr<ServedVolume> volume, Result<backends::Entry> found,
                    NodeId directory, std::string_view name, Answer<EntryReply>& answer);
  void answer_claim(std::shared_ptr<ServedVolume> volume, Answer<EntryReply> answer);
  // For what was found, or not, or made, by a name.
  Answer<backends::Entry> entry_answer(const Node& directory, std::string_view name,
                                       Answer<EntryReply> answer);
  void note_absent(const std::shared_ptr<ServedVolume>& volume, NodeId directory,
                   std::string_view name);
  // For an operation after which the name is gone.
  Answer<void> gone_answer(const Node& directory, std::string_view name, Answer<void> answer);

  std::unique_ptr<Handle> make_handle(Node& node, std::unique_ptr<backends::File> file,
                                      const Caller& caller, int flags);
  OpenReply open_with_kernel(Node& node, Handle& handle);
  int backing_of(Node& node, Handle& handle);
  std::mutex& opens_lock_for(NodeId id) { return opens_locks_[id % opens_locks_.size()]; }
  void open_known(Node& node, const Caller& caller, int flags, bool kill_set_id,
                  Answer<OpenReply> answer);
  bool answer_open(Node& node, Result<std::unique_ptr<backends::File>> opened, const Caller& caller,
                   int flags, Answer<OpenReply>& answer);
  bool answer_open_directory(Handle& handle, const Attributes* directory,
                             Answer<OpenReply>& answer);
  bool answer_created(std::shared_ptr<ServedVolume> volume, Result<backends::Created> created,
                      const Caller& caller, int flags, Answer<CreateReply>& answer);
  void delete_claim(const Caller& caller, std::shared_ptr<ServedVolume> volume,
                    Answer<void> answer);
  struct LockRequest;
  void take_lock(std::shared_ptr<LockRequest> request, Answer<void> answer);
  bool wait_for_lock(std::shared_ptr<LockRequest> request, Answer<void> answer);
  bool try_while_closing(std::shared_ptr<LockRequest> request, Answer<void> answer);
  static void note_closing(Handle& handle);
  void drop_locks_of(Handle& handle, std::uint64_t owner);
  std::string claim_attribute(Node& node, std::string_view name);

  Tree& tree_;  // tree_volume_'s backend
  std::shared_ptr<ServedVolume> tree_volume_;
  NodeTable nodes_;
  InodeNumbers numbers_;
  RequestCounts request_counts_;
  Effects effects_;
  PassthroughDoor* door_ = nullptr;
  std::atomic<bool> has_rings_{false};
  std::atomic<std::uint64_t> open_handles_{0};
  std::atomic<std::uint32_t> backing_ids_{0};
  std::array<std::mutex, 64> opens_locks_;
  LockBook locks_;
  // Last: their threads use all of the above.
  IdleProofs idle_proofs_;
  WaitingThreads waits_;
};

}  // namespace claimfs::fs
