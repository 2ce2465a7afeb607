#include "backends/directory_identities.h"

#include <sys/stat.h>

#include <filesystem>

#include "volumes/nfs_options.h"

namespace claimfs::backends {

namespace {

// By name: what a server shows under several of its names is not known to be one.
std::vector<std::string> identities_on_server(const volumes::Volume& volume) {
  const auto place = volumes::nfs_place(volume);
  if (!place) return {};
  std::filesystem::path path = std::filesystem::path(place->path).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::vector<std::string> identities;
  for (;; path = path.parent_path()) {
    identities.push_back("nfs:" + place->server + ":" + path.string());
    if (path == path.root_path()) return identities;
  }
}

}  // namespace

std::vector<std::string> directory_identities(const volumes::Volume& volume) {
  if (volumes::is_nfs(volume)) return identities_on_server(volume);
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
