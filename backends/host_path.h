#pragma once

#include <memory>
#include <string>

#include "backends/backend.h"

namespace claimfs::backends {

// A hostPath or local volume: a directory of this host.
struct HostPathOptions {
  std::string path;
  std::string type;       // HostPathType's words; "" checks nothing
  bool is_local = false;  // a local volume: the path must be there
  CapacityOptions capacity{};
};

// POSIX as the directory's own filesystem has it. Completes inline. Files are kept as file handles
// and opened when they are needed; descriptors are a bounded cache. Filesystems without handles
// (overlayfs) cost a descriptor a file.
std::unique_ptr<Backend> make_host_path_backend(HostPathOptions options);

// Checks a source by HostPathType before it is used, and makes what the type says should be made.
// The error's context is Kubernetes' text. Source: pkg/volume/hostpath.
Result<void> prepare_host_path(const std::string& path, const std::string& type);

}  // namespace claimfs::backends
