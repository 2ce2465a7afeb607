#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backends/caller.h"
#include "backends/capacity.h"
#include "base/answer.h"
#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends {

// What a look-up knows of an inode. `device` identifies its filesystem (the same after a restart,
// another one for each filesystem and btrfs subvolume); with `ino` it is unique. Times to the
// nanosecond.
struct Attributes {
  std::uint64_t device = 0;
  std::uint64_t ino = 0;
  mode_t mode = 0;
  nlink_t nlink = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t rdev = 0;
  off_t size = 0;
  std::uint64_t blocks = 0;  // of 512 bytes
  std::uint32_t block_size = 4096;
  timespec atime{};
  timespec mtime{};
  timespec ctime{};
  timespec btime{};  // zero when the filesystem does not tell
  // By who has not asked: whoever looks at them later is to ask.
  bool is_guess = false;
};

// One file of a volume, as its backend remembers it: small, and without a descriptor of its own (a
// backend may cache one). Lives until the kernel has forgotten the node.
class Inode {
 public:
  virtual ~Inode() = default;
  // Bytes that two look-ups of the same file share, and that no other living file of the volume
  // has.
  virtual std::string_view key() const = 0;
};

struct Entry {
  std::unique_ptr<Inode> inode;
  Attributes attributes;
  bool is_from_memory = false;  // the attributes: they may be older than what is believed
};

// An open file or directory. Closed by its destructor, which may run on any thread.
class File {
 public:
  virtual ~File() = default;
  // An O_PATH descriptor of what the kernel may read and write instead of asking us (passthrough);
  // closed when it may not. Never the File's own: the kernel keeps the open description, and with
  // it flocks and the right to write, after the File is closed.
  virtual Fd passthrough_descriptor() const { return {}; }
  // What the kernel has cached of it through earlier opens is what the file has now. Otherwise the
  // kernel drops that. Asked once, before the open is answered.
  virtual bool is_as_cached() const { return false; }
};

struct Created {
  Entry entry;
  std::unique_ptr<File> file;
};

// What setattr asks for. Absent means unchanged.
struct AttributeChanges {
  struct Time {
    bool now = false;
    timespec value{};
  };
  std::optional<mode_t> mode{};
  std::optional<uid_t> uid{};
  std::optional<gid_t> gid{};
  std::optional<off_t> size{};
  std::optional<Time> atime{};
  std::optional<Time> mtime{};
  bool kill_set_id =
      false;  // drop set-uid, set-gid and capabilities as a write by an unprivileged caller does
};

// Receives directory entries in order. add() returns false when there is no room: that entry is
// offered again by the next read from its predecessor's cursor.
class DirectorySink {
 public:
  virtual ~DirectorySink() = default;
  virtual bool wants_attributes()
      const = 0;  // then `entry` should be filled for all but "." and ".."
  // `next` is the cursor behind this entry, stable while others create and delete; `type` is DT_*.
  virtual bool add(std::string_view name, std::uint64_t device, std::uint64_t ino,
                   unsigned char type, std::uint64_t next, std::optional<Entry> entry) = 0;
};

struct FileSystemState {
  std::uint64_t block_size = 4096;
  std::uint64_t blocks = 0;
  std::uint64_t blocks_free = 0;
  std::uint64_t blocks_available = 0;
  std::uint64_t files = 0;
  std::uint64_t files_free = 0;
  std::uint64_t name_max = 255;
  // What the volume's files occupy, as du counts; absent while nobody has counted.
  std::optional<std::uint64_t> used_bytes;
};

// A POSIX byte-range lock: fcntl's struct flock with a 64-bit owner. end is inclusive; type
// F_RDLCK, F_WRLCK, F_UNLCK.
struct RangeLock {
  short type = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  pid_t pid = 0;
  std::uint64_t owner = 0;
};

// Which inodes somebody remembers. A backend asks before a file's last name goes, so that the file
// stays reachable.
class RememberedInodes {
 public:
  virtual ~RememberedInodes() = default;
  // Calls `use` with the remembered inode of that key, if there is one; it is not forgotten
  // meanwhile. `use` is short and takes no lock of its own.
  virtual void with(std::string_view key, const std::function<void(Inode&)>& use) = 0;
};

// What happened to a volume that its users should hear of, although no operation of theirs tells
// them.
struct Incident {
  bool is_loss = false;  // of data
  std::string message;   // in the words of a log
};
// Called by threads of the backend's own and by stop(); may block for a moment.
using ReportIncident = std::function<void(const Incident&)>;

// How the bytes of one volume are fetched. One instance a volume.
//
// Every operation is given an answer that it completes exactly once: inline, or later from any
// thread. Arguments by reference (inodes, files) live until the answer; names and data only until
// the call returns, so whoever completes later copies them. The caller is whoever asks now, who
// need not be who opened the file. Names are single components: never empty, ".", ".." or with a
// slash. Symlinks are never followed. Errors are errnos as the native system call gives them;
// ESTALE where an inode is gone. Calls come from many threads at once.
class Backend {
 public:
  virtual ~Backend() = default;

  // Who remembers this backend's inodes. Set before start(); outlives the backend's last operation.
  virtual void set_remembered(RememberedInodes* /*remembered*/) {}

  // Makes the volume usable: opens its root, does what the source's type asks for. Called before
  // all others but probe(), and again after stop(); may block. The error's context is the text of
  // Kubernetes' FailedMount event.
  virtual Result<void> start() = 0;
  // The volume is not used any more: closes what start() opened and ends what it began. Nothing
  // else is asked meanwhile, but inodes may go at any time.
  virtual void stop() {}

  // What the claim may hold from now on, in bytes; at any time.
  virtual void set_capacity(std::uint64_t /*bytes*/) {}
  // How the volume is kept within that. Quota is known after start() only.
  virtual Enforcement enforcement() const { return Enforcement::None; }
  // Files that are opened now are written to by asking us, whoever reads them.
  virtual bool must_see_writes() const { return false; }
  // Nobody changes a file but by asking us while the volume is not shared: what the kernel has
  // cached of it stays true from one open to the next.
  virtual bool is_changed_here_only() const { return false; }
  // Attributes come with the names of a listing, and cost nothing more; asked for one by one, they
  // do.
  virtual bool lists_attributes_anyway() const { return false; }
  // Whom it waits for in vain, in the words of a log ("nfs: server files.example.com"), and since
  // when; absent while everything is answered. At any time.
  struct Silence {
    std::string who;
    std::chrono::steady_clock::time_point since;
  };
  virtual std::optional<Silence> silence() const { return std::nullopt; }
  // The root's attributes without using the volume (nothing is created, nothing is kept); may be
  // called before start().
  virtual Result<Attributes> probe() = 0;

  virtual void root(Answer<Entry> answer) = 0;
  virtual void lookup(const Caller& caller, Inode& parent, std::string_view name,
                      Answer<Entry> answer) = 0;
  // `file` when the caller has one open: works for files that are already unlinked.
  virtual void get_attributes(const Caller& caller, Inode& inode, File* file,
                              Answer<Attributes> answer) = 0;
  virtual void set_attributes(const Caller& caller, Inode& inode, File* file,
                              const AttributeChanges& changes, Answer<Attributes> answer) = 0;
  virtual void read_link(const Caller& caller, Inode& inode, Answer<std::string> answer) = 0;

  virtual void make_node(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                         dev_t device, Answer<Entry> answer) = 0;
  virtual void make_directory(const Caller& caller, Inode& parent, std::string_view name,
                              mode_t mode, Answer<Entry> answer) = 0;
  virtual void make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                            std::string_view target, Answer<Entry> answer) = 0;
  virtual void link(const Caller& caller, Inode& inode, Inode& new_parent,
                    std::string_view new_name, Answer<Entry> answer) = 0;
  // What the name pointed to stays reachable through its Inode, if somebody has one, until that is
  // destroyed.
  virtual void unlink(const Caller& caller, Inode& parent, std::string_view name,
                      Answer<void> answer) = 0;
  virtual void remove_directory(const Caller& caller, Inode& parent, std::string_view name,
                                Answer<void> answer) = 0;
  // flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT.
  virtual void rename(const Caller& caller, Inode& parent, std::string_view name, Inode& new_parent,
                      std::string_view new_name, unsigned flags, Answer<void> answer) = 0;

  // flags are open(2)'s, without O_CREAT, O_EXCL and O_NOFOLLOW.
  virtual void open(const Caller& caller, Inode& inode, int flags,
                    Answer<std::unique_ptr<File>> answer) = 0;
  virtual void create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                      int flags, Answer<Created> answer) = 0;
  virtual void create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                              Answer<Created> answer) = 0;  // O_TMPFILE

  // Answered with up to `size` bytes, fewer only at the end of the file. The bytes are valid during
  // completion only.
  virtual void read(const Caller& caller, File& file, std::size_t size, off_t offset,
                    Answer<std::span<const std::byte>> answer) = 0;
  // `append`: at the end of the file, whatever offset says. `kill_set_id` as in AttributeChanges.
  struct WriteOptions {
    bool append = false;
    bool kill_set_id = false;
  };
  virtual void write(const Caller& caller, File& file, std::span<const std::byte> data,
                     off_t offset, WriteOptions options, Answer<std::size_t> answer) = 0;
  virtual void flush(const Caller& caller, File& file,
                     Answer<void> answer) = 0;  // at each close(2)
  virtual void sync(const Caller& caller, File& file, bool data_only, Answer<void> answer) = 0;
  virtual void allocate(const Caller& caller, File& file, int mode, off_t offset, off_t length,
                        Answer<void> answer) = 0;
  virtual void seek(const Caller& caller, File& file, off_t offset, int whence,
                    Answer<off_t> answer) = 0;  // SEEK_DATA, SEEK_HOLE
  virtual void copy_range(const Caller& caller, File& from, off_t from_offset, File& to,
                          off_t to_offset, std::size_t length, Answer<std::size_t> answer) = 0;

  virtual void open_directory(const Caller& caller, Inode& inode,
                              Answer<std::unique_ptr<File>> answer) = 0;
  // Fills the sink, which lives until the answer, from `cursor` (0: the beginning; otherwise a
  // `next` that add() was given).
  virtual void read_directory(const Caller& caller, File& directory, std::uint64_t cursor,
                              DirectorySink& sink, Answer<void> answer) = 0;
  virtual void sync_directory(const Caller& caller, File& directory, bool data_only,
                              Answer<void> answer) = 0;

  // Answered with the value; ENODATA when absent.
  virtual void get_xattr(const Caller& caller, Inode& inode, std::string_view name,
                         Answer<std::string> answer) = 0;
  // `caller` and `may_keep_set_gid` for what setting an ACL does to the mode.
  virtual void set_xattr(const Caller& caller, Inode& inode, std::string_view name,
                         std::string_view value, int flags, bool may_keep_set_gid,
                         Answer<void> answer) = 0;
  virtual void list_xattrs(const Caller& caller, Inode& inode,
                           Answer<std::string> answer) = 0;  // names, each ended by NUL
  virtual void remove_xattr(const Caller& caller, Inode& inode, std::string_view name,
                            Answer<void> answer) = 0;

  virtual void file_system_state(const Caller& caller, Answer<FileSystemState> answer) = 0;

  // Locks that hold against everyone who uses the backing file, by whatever way: EAGAIN when
  // somebody holds it. With `wait` the call may block its thread until it is granted; a signal to
  // that thread ends it with EINTR. The caller keeps such threads apart from those that serve
  // requests.
  virtual void flock(File& file, int operation, bool wait,
                     Answer<void> answer) = 0;  // LOCK_SH, LOCK_EX, LOCK_UN
  // Answered with type F_UNLCK when it could be placed, else with a holder; pid -1 when it is none
  // of ours.
  virtual void test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) = 0;
  virtual void set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) = 0;
  virtual void drop_locks(Inode& inode, std::uint64_t owner,
                          Answer<void> answer) = 0;  // all of one owner
};

}  // namespace claimfs::backends
