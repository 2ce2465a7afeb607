#pragma once

#include "backends/nfs/procedures.h"

namespace claimfs::backends::nfs {

// Every file handle in a call's arguments: `use(nfs_fh3&)`, of which there are two at most.

// clang-format off
template <class Use> void for_each_handle(GETATTR3args& in, Use use) { use(in.object); }
template <class Use> void for_each_handle(SETATTR3args& in, Use use) { use(in.object); }
template <class Use> void for_each_handle(LOOKUP3args& in, Use use) { use(in.what.dir); }
template <class Use> void for_each_handle(ACCESS3args& in, Use use) { use(in.object); }
template <class Use> void for_each_handle(READLINK3args& in, Use use) { use(in.symlink); }
template <class Use> void for_each_handle(READ3args& in, Use use) { use(in.file); }
template <class Use> void for_each_handle(WRITE3args& in, Use use) { use(in.file); }
template <class Use> void for_each_handle(CREATE3args& in, Use use) { use(in.where.dir); }
template <class Use> void for_each_handle(MKDIR3args& in, Use use) { use(in.where.dir); }
template <class Use> void for_each_handle(SYMLINK3args& in, Use use) { use(in.where.dir); }
template <class Use> void for_each_handle(MKNOD3args& in, Use use) { use(in.where.dir); }
template <class Use> void for_each_handle(REMOVE3args& in, Use use) { use(in.object.dir); }
template <class Use> void for_each_handle(RMDIR3args& in, Use use) { use(in.object.dir); }
template <class Use> void for_each_handle(RENAME3args& in, Use use) {
  use(in.from.dir); use(in.to.dir);
}
template <class Use> void for_each_handle(LINK3args& in, Use use) {
  use(in.file); use(in.link.dir);
}
template <class Use> void for_each_handle(READDIRPLUS3args& in, Use use) { use(in.dir); }
template <class Use> void for_each_handle(FSSTAT3args& in, Use use) { use(in.fsroot); }
template <class Use> void for_each_handle(FSINFO3args& in, Use use) { use(in.fsroot); }
template <class Use> void for_each_handle(PATHCONF3args& in, Use use) { use(in.object); }
template <class Use> void for_each_handle(COMMIT3args& in, Use use) { use(in.file); }
// clang-format on

}  // namespace claimfs::backends::nfs
