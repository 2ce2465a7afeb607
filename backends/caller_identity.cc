#include "backends/caller_identity.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace claimfs::backends {

namespace {

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};  // 0: the calling thread
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};

  bool read() { return ::syscall(SYS_capget, &header, data) == 0; }
  bool write() { return ::syscall(SYS_capset, &header, data) == 0; }
  static constexpr std::uint32_t bit(int capability) {
    return std::uint32_t{1} << (capability & 31);
  }
  bool is_effective(int capability) const {
    return (data[capability >> 5].effective & bit(capability)) != 0;
  }
  void set_effective(int capability, bool is_effective) {
    std::uint32_t& word = data[capability >> 5].effective;
    word = is_effective ? word | bit(capability) : word & ~bit(capability);
  }
};

// Those of the calling thread, read once: nobody but what is below changes them. Null when the
// kernel does not tell.
Capabilities* capabilities() {
  thread_local Capabilities mine;
  thread_local const bool is_read = mine.read();
  return is_read ? &mine : nullptr;
}

// A thread begins with the identity of the one that started it, which may have been somebody's. An
// id that nobody can have changes nothing and is answered with the current one.
struct ThreadIdentity {
  uid_t uid = static_cast<uid_t>(::syscall(SYS_setfsuid, -1));
  gid_t gid = static_cast<gid_t>(::syscall(SYS_setfsgid, -1));
  mode_t umask = 0;
  bool has_own_umask = false;
};

ThreadIdentity& identity() {
  thread_local ThreadIdentity mine;
  return mine;
}

}  // namespace

void prepare_process_for_callers() {
  ::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
  Capabilities* all = capabilities();
  if (!all) return;
  all->data[CAP_SYS_RESOURCE >> 5].effective &= ~Capabilities::bit(CAP_SYS_RESOURCE);
  all->data[CAP_SYS_RESOURCE >> 5].permitted &= ~Capabilities::bit(CAP_SYS_RESOURCE);
  all->write();
}

void become(const Caller& caller) {
  static const bool is_privileged = ::geteuid() == 0;
  ThreadIdentity& mine = identity();
  if (!mine.has_own_umask) {
    // A umask is the process's, until a thread has filesystem attributes of its own.
    mine.has_own_umask = ::unshare(CLONE_FS) == 0;
    mine.umask = ~caller.umask;
  }
  if (mine.umask != caller.umask) {
    ::umask(caller.umask);
    mine.umask = caller.umask;
  }
  if (!is_privileged) return;
  // The group first, as everywhere; both calls answer the previous value and have no error to look
  // at.
  if (mine.gid != caller.gid) {
    ::syscall(SYS_setfsgid, caller.gid);
    mine.gid = caller.gid;
  }
  if (mine.uid != caller.uid) {
    ::syscall(SYS_setfsuid, caller.uid);
    mine.uid = caller.uid;
  }
}

WithoutFsetid::WithoutFsetid(bool is_wanted) {
  if (!is_wanted) return;
  Capabilities* mine = capabilities();
  if (!mine || !mine->is_effective(CAP_FSETID)) return;
  mine->set_effective(CAP_FSETID, false);
  is_dropped_ = mine->write();
  if (!is_dropped_) mine->set_effective(CAP_FSETID, true);
}

WithoutFsetid::~WithoutFsetid() {
  if (!is_dropped_) return;
  capabilities()->set_effective(CAP_FSETID, true);
  capabilities()->write();
}

}  // namespace claimfs::backends
