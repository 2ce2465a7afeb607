#pragma once

#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

#include <string>

#include "base/result.h"

namespace claimfs::backends::nfs {

// The errno of a server's refusal; 0 for NFS3_OK, EIO for what is not in RFC 1813. Source: Linux
// fs/nfs_common/common.c.
int errno_of(nfsstat3 status);

// Why a MOUNT was refused, in the words of mount.nfs(8). `what` is SERVER:PATH. Source: nfs-utils
// utils/mount/error.c and network.c.
Error mount_refusal(mountstat3 status, const std::string& what);
// The same for a server that cannot be reached: an errno of a connection.
Error mount_failure(int errno_code, const std::string& what);

}  // namespace claimfs::backends::nfs
