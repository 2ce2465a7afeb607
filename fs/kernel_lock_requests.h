#pragma once

#include <sys/file.h>

#include "fs/libfuse.h"

namespace claimfs::fs {

// What libfuse calls for requests about locks.
void on_getlk(fuse_req_t request, fuse_ino_t node, fuse_file_info* info, struct flock* lock);
void on_setlk(fuse_req_t request, fuse_ino_t node, fuse_file_info* info, struct flock* lock,
              int sleep);
void on_flock(fuse_req_t request, fuse_ino_t node, fuse_file_info* info, int operation);

}  // namespace claimfs::fs
