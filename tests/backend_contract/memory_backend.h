#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backends/backend.h"

namespace claimfs::tests {

using namespace claimfs::backends;  // NOLINT: a test double of that room

// A volume in memory, for tests: as POSIX has it, but for permissions, which are the kernel's.
// Counts the calls that it gets, fails one of them on demand, and answers inline or later from a
// thread of its own.
class MemoryBackend final : public Backend {
 public:
  MemoryBackend();
  ~MemoryBackend() override;

  // How many operations have been asked for: all but probe(), start() and root() included.
  int calls() const { return calls_.load(); }
  // The names of the operations, in order, since the last reset.
  std::vector<std::string> called() const;
  // Counts from 0 again, and fails none.
  void reset_calls();
  // The n-th operation from now on, 1 the next, fails with this errno and has no effect.
  void fail_call(int n, int error);

  // Answers come from another thread, after the call has returned.
  void answer_later();
  // Waits until no answer is on its way, and none is being given.
  void settle();

  // Files and directories of the volume that still exist: those with a name, and those that
  // somebody holds.
  static int living_nodes() { return living_nodes_.load(); }
  // Open Files of all volumes.
  static int living_files() { return living_files_.load(); }

  // Runs while it is being started, with nothing locked.
  std::function<void()> on_start;

  Result<void> start() override;
  Result<Attributes> probe() override;
  void root(Answer<Entry> answer) override;
  void lookup(const Caller& caller, Inode& parent, std::string_view name,
              Answer<Entry> answer) override;
  void get_attributes(const Caller& caller, Inode& inode, File* file,
                      Answer<Attributes> answer) override;
  void set_attributes(const Caller& caller, Inode& inode, File* file,
                      const AttributeChanges& changes, Answer<Attributes> answer) override;
  void read_link(const Caller& caller, Inode& inode, Answer<std::string> answer) override;
  void make_node(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                 dev_t device, Answer<Entry> answer) override;
  void make_directory(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                      Answer<Entry> answer) override;
  void make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                    std::string_view target, Answer<Entry> answer) override;
  void link(const Caller& caller, Inode& inode, Inode& new_parent, std::string_view new_name,
            Answer<Entry> answer) override;
  void unlink(const Caller& caller, Inode& parent, std::string_view name,
              Answer<void> answer) override;
  void remove_directory(const Caller& caller, Inode& parent, std::string_view name,
                        Answer<void> answer) override;
  void rename(const Caller& caller, Inode& parent, std::string_view name, Inode& new_parent,
              std::string_view new_name, unsigned flags, Answer<void> answer) override;

  void open(const Caller& caller, Inode& inode, int flags,
            Answer<std::unique_ptr<File>> answer) override;
  void create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode, int flags,
              Answer<Created> answer) override;
  void create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                      Answer<Created> answer) override;
  void read(const Caller& caller, File& file, std::size_t size, off_t offset,
            Answer<std::span<const std::byte>> answer) override;
  void write(const Caller& caller, File& file, std::span<const std::byte> data, off_t offset,
             WriteOptions options, Answer<std::size_t> answer) override;
  void flush(const Caller& caller, File& file, Answer<void> answer) override;
  void sync(const Caller& caller, File& file, bool data_only, Answer<void> answer) override;
  void allocate(const Caller& caller, File& file, int mode, off_t offset, off_t length,
                Answer<void> answer) override;
  void seek(const Caller& caller, File& file, off_t offset, int whence,
            Answer<off_t> answer) override;
  void copy_range(const Caller& caller, File& from, off_t from_offset, File& to, off_t to_offset,
                  std::size_t length, Answer<std::size_t> answer) override;

  void open_directory(const Caller& caller, Inode& inode,
                      Answer<std::unique_ptr<File>> answer) override;
  void read_directory(const Caller& caller, File& directory, std::uint64_t cursor,
                      DirectorySink& sink, Answer<void> answer) override;
  void sync_directory(const Caller& caller, File& directory, bool data_only,
                      Answer<void> answer) override;

  void get_xattr(const Caller& caller, Inode& inode, std::string_view name,
                 Answer<std::string> answer) override;
  void set_xattr(const Caller& caller, Inode& inode, std::string_view name, std::string_view value,
                 int flags, bool may_keep_set_gid, Answer<void> answer) override;
  void list_xattrs(const Caller& caller, Inode& inode, Answer<std::string> answer) override;
  void remove_xattr(const Caller& caller, Inode& inode, std::string_view name,
                    Answer<void> answer) override;

  void file_system_state(const Caller& caller, Answer<FileSystemState> answer) override;

  void flock(File& file, int operation, bool wait, Answer<void> answer) override;
  void test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) override;
  void set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) override;
  void drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) override;

  struct Node;
  using NodePointer = std::shared_ptr<Node>;

 private:
  friend struct MemoryFile;
  Result<void> step(const char* operation);
  template <class T, class Work>
  void serve(const char* operation, Answer<T> answer, Work&& work);
  template <class T>
  void deliver(Answer<T> answer, Result<T> result);
  void answer_queued();

  NodePointer new_node(const Caller& caller, const Node& parent, mode_t mode);
  Result<Entry> add_new(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                        const std::function<void(Node&)>& fill);

  mutable std::mutex mutex_;
  std::condition_variable locks_changed_;
  NodePointer root_;
  std::uint64_t next_ino_ = 2;

  std::atomic<int> calls_{0};
  std::vector<std::string> called_;  // guarded by mutex_
  int failing_call_ = 0;             // guarded by mutex_
  int failing_errno_ = 0;            // guarded by mutex_

  std::mutex later_mutex_;
  std::condition_variable later_changed_;
  std::deque<std::function<void()>> later_;  // guarded by later_mutex_
  bool is_answering_ = false;                // guarded by later_mutex_
  bool is_closing_ = false;                  // guarded by later_mutex_
  std::thread answering_;

  static inline std::atomic<int> living_nodes_{0};
  static inline std::atomic<int> living_files_{0};
};

}  // namespace claimfs::tests
