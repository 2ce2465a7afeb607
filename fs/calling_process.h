#pragma once

#include <sys/types.h>

namespace claimfs::fs {

// What the kernel does not tell with a request about the process that made it, read from /proc
// while it waits. A process that cannot be asked about is in no group and has no capability.

bool is_in_group(pid_t pid, gid_t group);

// CAP_SYS_ADMIN in the daemon's own user namespace, as the kernel asks for trusted extended
// attributes (xattr(7)).
bool may_administer(pid_t pid);

}  // namespace claimfs::fs
