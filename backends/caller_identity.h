#pragma once

#include "backends/backend.h"

namespace claimfs::backends {

// Acting for callers, thread by thread.
//
// Threads keep all capabilities whatever their fsuid is (SECBIT_NO_SETUID_FIXUP): the kernel has
// checked permissions before the request came, and only the ownership of what is created depends on
// the fsuid. So an identity is changed only when it differs, and never changed back. Raw system
// calls throughout: glibc's would change every thread.

// Once for the process, before its threads: keeps capabilities over a change of fsuid, and drops
// CAP_SYS_RESOURCE, with which quotas would not bind (FUSE.md 4). Does nothing without privileges.
void prepare_process_for_callers();

// The calling thread creates as this caller from now on: fsuid, fsgid, umask.
void become(const Caller& caller);

// While it lives, the calling thread has no CAP_FSETID: what it writes, truncates or sets an ACL on
// loses set-id bits as if its own caller had done it.
class WithoutFsetid {
 public:
  explicit WithoutFsetid(bool is_wanted = true);
  WithoutFsetid(const WithoutFsetid&) = delete;
  ~WithoutFsetid();

 private:
  bool is_dropped_ = false;
};

}  // namespace claimfs::backends
