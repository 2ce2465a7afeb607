#include "backends/directory_identities.h"

#include <sys/stat.h>

#include <filesystem>

namespace claimfs::backends {

std::vector<std::string> directory_identities(const volumes::Volume& volume) {
  std::filesystem::path path;
  if (const auto* host_path = std::get_if<volumes::HostPathSource>(&volume.source))
    path = host_path->path;
  if (const auto* local = std::get_if<volumes::LocalSource>(&volume.source)) path = local->path;
  std::error_code error;
  if (const auto canonical = std::filesystem::weakly_canonical(path, error); !error)
    path = canonical;
  if (!path.is_absolute()) return {};
  if (!path.has_filename()) path = path.parent_path();
  std::vector<std::string> identities;
  for (;; path = path.parent_path()) {
    struct stat found {};
    identities.push_back(::stat(path.c_str(), &found) == 0
                             ? std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino)
                             : "path:" + path.string());
    if (path == path.root_path()) return identities;
  }
}

}  // namespace claimfs::backends
