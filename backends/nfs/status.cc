#include "backends/nfs/status.h"

#include <cerrno>
#include <cstring>

namespace claimfs::backends::nfs {

int errno_of(nfsstat3 status) {
  switch (status) {
    case NFS3_OK:
      return 0;
    case NFS3ERR_PERM:
      return EPERM;
    case NFS3ERR_NOENT:
      return ENOENT;
    case NFS3ERR_IO:
      return EIO;
    case NFS3ERR_NXIO:
      return ENXIO;
    case NFS3ERR_ACCES:
      return EACCES;
    case NFS3ERR_EXIST:
      return EEXIST;
    case NFS3ERR_XDEV:
      return EXDEV;
    case NFS3ERR_NODEV:
      return ENODEV;
    case NFS3ERR_NOTDIR:
      return ENOTDIR;
    case NFS3ERR_ISDIR:
      return EISDIR;
    case NFS3ERR_INVAL:
      return EINVAL;
    case NFS3ERR_FBIG:
      return EFBIG;
    case NFS3ERR_NOSPC:
      return ENOSPC;
    case NFS3ERR_ROFS:
      return EROFS;
    case NFS3ERR_MLINK:
      return EMLINK;
    case NFS3ERR_NAMETOOLONG:
      return ENAMETOOLONG;
    case NFS3ERR_NOTEMPTY:
      return ENOTEMPTY;
    case NFS3ERR_DQUOT:
      return ENOSPC;  // never EDQUOT to the user (DESIGN.md 5)
    case NFS3ERR_STALE:
    case NFS3ERR_BADHANDLE:
      return ESTALE;
    case NFS3ERR_REMOTE:
      return EREMOTE;
    case NFS3ERR_BAD_COOKIE:
      return EINVAL;
    case NFS3ERR_NOTSUPP:
      return EOPNOTSUPP;
    case NFS3ERR_TOOSMALL:
      return EIO;
    case NFS3ERR_SERVERFAULT:
      return EREMOTEIO;
    case NFS3ERR_BADTYPE:
      return EINVAL;
    case NFS3ERR_JUKEBOX:
      return EAGAIN;  // who sends it is asked again and this is not seen
    case NFS3ERR_NOT_SYNC:
      return EIO;
  }
  return EIO;
}

namespace {

int errno_of(mountstat3 status) {
  switch (status) {
    case MNT3_OK:
      return 0;
    case MNT3ERR_PERM:
      return EPERM;
    case MNT3ERR_NOENT:
      return ENOENT;
    case MNT3ERR_IO:
      return EIO;
    case MNT3ERR_ACCES:
      return EACCES;
    case MNT3ERR_NOTDIR:
      return ENOTDIR;
    case MNT3ERR_INVAL:
      return EINVAL;
    case MNT3ERR_NAMETOOLONG:
      return ENAMETOOLONG;
    case MNT3ERR_NOTSUPP:
      return EOPNOTSUPP;
    case MNT3ERR_SERVERFAULT:
      return EIO;
  }
  return EIO;
}

}  // namespace

Error mount_refusal(mountstat3 status, const std::string& what) {
  const int code = errno_of(status);
  if (code == EACCES || code == EPERM)
    return {EACCES, "mount.nfs: access denied by server while mounting " + what};
  return {code, "mount.nfs: mounting " + what +
                    " failed, reason given by server: " + std::strerror(code)};
}

Error mount_failure(int errno_code, const std::string& what) {
  if (errno_code == EPROTONOSUPPORT)
    return {errno_code,
            "mount.nfs: requested NFS version or transport protocol is not supported for " + what};
  return {errno_code, std::string("mount.nfs: ") + std::strerror(errno_code) + " for " + what};
}

}  // namespace claimfs::backends::nfs
