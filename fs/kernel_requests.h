#pragma once

#include <memory>

#include "fs/filesystem.h"
#include "fs/impatient_callers.h"
#include "fs/libfuse.h"
#include "fs/listing_habits.h"
#include "fs/rings.h"

namespace claimfs::fs {

// What libfuse calls for each request. Its user data is a KernelSide.
const fuse_lowlevel_ops& kernel_requests();

struct KernelSide {
  Filesystem& filesystem;
  // Told what the kernel can do and what is wanted, at INIT.
  bool has_passthrough = false;
  bool has_kill_privileges = false;
  // Whether most requests may come by io_uring, and whether that is still to be told the kernel.
  bool may_have_rings = false;
  bool offers_rings = false;
  Rings* rings = nullptr;
  ListingHabits habits{};
  // Shared with operations whose answer has been given and which are not destroyed yet.
  std::shared_ptr<ImpatientCallers> impatient = std::make_shared<ImpatientCallers>();
};

}  // namespace claimfs::fs
