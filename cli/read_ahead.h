#pragma once

#include <string>

namespace claimfs::cli {

// Has the kernel read ahead in files of this mount as far as a server on a network needs. It offers
// a FUSE mount 128 KiB, which that cannot raise in INIT. Where sysfs is read-only, as in a
// container, it stays so. The mount has to answer.
//
// `scripts/bench nfs --only "read 1 MiB"`'s reader: 290 MiB/s with 128 KiB, 430 with 256, 650 with
// 512, no more beyond.
void widen_read_ahead(const std::string& mount_point);

}  // namespace claimfs::cli
