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
};

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
  Capabilities all;
  if (!all.read()) return;
  all.data[CAP_SYS_RESOURCE >> 5].effective &= ~Capabilities::bit(CAP_SYS_RESOURCE);
  all.data[CAP_SYS_RESOURCE >> 5].permitted &= ~Capabilities::bit(CAP_SYS_RESOURCE);
  all.write();
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
  Capabilities mine;
  if (!mine.read() || !mine.is_effective(CAP_FSETID)) return;
  mine.data[CAP_FSETID >> 5].effective &= ~Capabilities::bit(CAP_FSETID);
  is_dropped_ = mine.write();
}

WithoutFsetid::~WithoutFsetid() {
  if (!is_dropped_) return;
  Capabilities mine;
  if (!mine.read()) return;
  mine.data[CAP_FSETID >> 5].effective |= Capabilities::bit(CAP_FSETID);
  mine.write();
}

}  // namespace claimfs::backends
