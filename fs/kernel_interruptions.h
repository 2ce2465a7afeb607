#pragma once

#include <memory>

#include "fs/filesystem.h"
#include "fs/impatient_callers.h"
#include "fs/libfuse.h"

namespace claimfs::fs {

// The kernel's INTERRUPT of one request. It comes at any signal that the caller has not blocked.
// Made before the request is answered; may be destroyed at any time.

// Any signal ends the wait, as fcntl(2) and flock(2) say of waiting for a lock.
std::shared_ptr<Interruption> any_signal_of(fuse_req_t request);

// Only a signal that ends the caller, or asks it to for long enough, ends the wait: who reads and
// writes files does not expect EINTR.
std::shared_ptr<Interruption> end_of_caller(fuse_req_t request,
                                            const std::shared_ptr<ImpatientCallers>& impatient,
                                            ImpatientCallers::Watched watched);

}  // namespace claimfs::fs
