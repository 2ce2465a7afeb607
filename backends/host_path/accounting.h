#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "backends/capacity_account.h"
#include "backends/host_path/inode.h"
#include "base/fd.h"

namespace claimfs::backends::host_path {

class Accounting;

// One change of one file: its lock, and at the end a look at what the file has become. Nothing
// where `accounting` is null. `descriptor` lives as long, O_PATH is enough.
class Change {
 public:
  Change(Accounting* accounting, HostInode& inode, int descriptor, Reservation& room);
  Change(const Change&) = delete;
  ~Change();

  off_t size() const { return found_.st_size; }
  // The file's blocks are all made: nothing has to be set aside for them any more. Waits for the
  // disk. False when there was nothing.
  bool settle(int writable);
  void preallocates();

 private:
  void look(Reservation* payer);

  Accounting* const accounting_;
  HostInode& inode_;
  const int descriptor_;
  Reservation& room_;
  Charge* charge_ = nullptr;
  std::shared_lock<std::shared_mutex> changing_;
  std::unique_lock<std::mutex> lock_;
  struct stat found_ {};
};

// The account of a directory of this host. Counts what du counts, and files without a name for as
// long as they are open.
class Accounting final : public CapacityAccount, public ChargeKeeper {
 public:
  using CapacityAccount::CapacityAccount;

  // The most that writing or allocating `bytes` takes.
  std::uint64_t worst_case(std::uint64_t bytes) const;
  // How much of a write there is room for: what has its blocks already, and what these pay.
  std::uint64_t fitting(int descriptor, off_t offset, std::uint64_t length,
                        const Reservation& room) const;

  // A file was just made.
  void made(HostInode& inode, const Attributes& attributes, Reservation& room, bool is_nameless);
  // It was opened for reading and writing: it may be stored to without a word (FUSE.md F9).
  void may_be_mapped(HostInode& inode, int descriptor);
  // Its last name has gone, and somebody may have it open.
  void lost_name(HostInode& inode);
  // It gets a name, or another one; said before that.
  void gets_name(HostInode& inode, int descriptor);
  // What this name says moves; said before. A count that is under way may miss it.
  void moves(int directory, const char* name);
  // It is gone, and nobody had it open.
  void gone(std::uint64_t bytes);

  void forgotten(HostInode& inode, Charge& charge) override;

 private:
  friend class Change;

  // Takes a file's new state in. Under the charge's lock.
  void take_in(Charge& charge, const struct stat& found, Reservation* room);
  void set_aside_for(Charge& charge, Reservation* room);
  // Looks after a file that may be mapped and has room to grow inside: maps store without a word.
  void watch(HostInode& inode, int descriptor);
  bool look_at_files() override;

  // Descriptors of their own, O_PATH. The lock is held across fstat of these: the inode must not go
  // meanwhile.
  std::mutex mapped_lock_;
  std::map<HostInode*, Fd> mapped_;
};

}  // namespace claimfs::backends::host_path
