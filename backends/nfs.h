#pragma once

#include <memory>

#include "backends/backend.h"
#include "backends/ground.h"
#include "volumes/nfs_options.h"

namespace claimfs::backends {

// A directory of an NFS server, by NFSv3 over TCP. Files are kept as the server's file handles, so
// that they stay what they are when others rename them and when the server restarts. Answers come
// from the threads of the connections; no call waits for the server, but start(), which takes ten
// seconds at most, and the first probe() before it, which takes one.
//
// What NFSv3 does not have: extended attributes (ENOTSUP), unnamed files, holes and preallocation
// (EOPNOTSUPP; SEEK_DATA finds the whole file to be data), RENAME_NOREPLACE and RENAME_EXCHANGE
// (EINVAL). Locks are kept in this process where `local_locks` allows it, and are ENOLCK otherwise.
// A file that is open when its last name goes keeps a name `.nfs…` in its directory, which is not
// shown, until it is closed and forgotten; one that is not open is gone (ESTALE), as for any client
// of NFS. Where the capacity has a bound, the volume is kept within it by what the server says that
// files occupy: who writes may wait for room, or for the first count.
//
// An export that was replaced on its server (the same path by other handles) is found again when
// its root is stale: who met that waits for it, some seconds at most.
std::unique_ptr<Backend> make_nfs_backend(volumes::NfsOptions options, CapacityOptions capacity,
                                          ReportIncident report = nullptr);

// What provisioning and reclaim change on a server, as root. Nothing is kept between two calls,
// each of which mounts the share and waits for the server up to thirty seconds.
std::unique_ptr<Ground> make_nfs_ground(volumes::NfsOptions share);

}  // namespace claimfs::backends
