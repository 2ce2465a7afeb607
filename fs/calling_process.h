#pragma once

#include <sys/types.h>

#include <string>

namespace claimfs::fs {

// What the kernel does not tell with a request about the process that made it, read from /proc
// while it waits. A process that cannot be asked about is in no group and has no capability.

bool is_in_group(pid_t pid, gid_t group);

// CAP_SYS_ADMIN in the daemon's own user namespace, as the kernel asks for trusted extended
// attributes (xattr(7)).
bool may_administer(pid_t pid);

// The uid of the pod whose cgroup a process or thread is in; empty when it is in none, and when it
// cannot be asked about. The latter is not the former where it matters: pid 0 is a process that the
// daemon's pid namespace does not have, and may be in any pod. Seven microseconds.
std::string pod_of(pid_t pid);

// Whether any process is in a pod's cgroup: a look at every process there is. True also when /proc
// cannot be read. A pod that is just being started may get its first one afterwards.
bool has_processes(const std::string& pod_uid);

}  // namespace claimfs::fs
