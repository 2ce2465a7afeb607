#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "control/mirror.h"
#include "store/store.h"

namespace claimfs::control {

// Takes a mount whose daemon is dead out of this machine's mount table, lazily, if it is still
// there: only then does the kernel end its connection when nobody has a file of it open any more.
using UnmountDead = std::function<void(const std::string& mount_point, unsigned connection)>;

// The word that Attachment::passthrough has for a mount of this boot.
std::string passthrough_word(unsigned connection, const std::string& mount_point);

// Removes attachments whose mount is gone: at once, or where the kernel may still be doing I/O on
// their files, when its connection has left /sys/fs/fuse/connections (FUSE.md F1); until then they
// are draining. Looks at this machine's mounts only; anyone may do it, at any time. True when some
// are left that drain: look again.
Result<bool> remove_dead_attachments(store::Store& store, Mirror& mirror,
                                     const UnmountDead& unmount);

}  // namespace claimfs::control
