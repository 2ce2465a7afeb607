#include "cli/read_ahead.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/fd.h"

namespace claimfs::cli {

void widen_read_ahead(const std::string& mount_point) {
  constexpr std::string_view kKiB = "512";
  struct stat root {};
  if (::stat(mount_point.c_str(), &root) != 0) return;
  const std::string path = "/sys/class/bdi/" + std::to_string(major(root.st_dev)) + ":" +
                           std::to_string(minor(root.st_dev)) + "/read_ahead_kb";
  const Fd setting(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!setting || ::write(setting.get(), kKiB.data(), kKiB.size()) < 0)
    spdlog::debug("read_ahead=unchanged path={} error=\"{}\"", path, std::strerror(errno));
}

}  // namespace claimfs::cli
