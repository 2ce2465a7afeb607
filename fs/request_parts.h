#pragma once

#include <memory>

#include "fs/filesystem.h"
#include "fs/kernel_interruptions.h"
#include "fs/kernel_requests.h"
#include "fs/libfuse.h"

namespace claimfs::fs {

// What a request brings beside its arguments: whose session it is, what is open, who asks.

inline KernelSide& side(fuse_req_t request) {
  return *static_cast<KernelSide*>(fuse_req_userdata(request));
}
inline Filesystem& filesystem(fuse_req_t request) { return side(request).filesystem; }
inline Handle* handle_of(const fuse_file_info* info) {
  return info ? reinterpret_cast<Handle*>(info->fh) : nullptr;
}

template <ImpatientCallers::Watched kWatched>
std::shared_ptr<Interruption> interruption_of(void* asking) {
  const auto request = static_cast<fuse_req_t>(asking);
  return end_of_caller(request, side(request).impatient, kWatched);
}

template <ImpatientCallers::Watched kWatched = ImpatientCallers::Watched::AfterSignal>
Caller caller_of(fuse_req_t request) {
  const fuse_ctx* context = fuse_req_ctx(request);
  return {context->uid,
          context->gid,
          context->umask,
          context->pid,
          {interruption_of<kWatched>, request}};
}

}  // namespace claimfs::fs
