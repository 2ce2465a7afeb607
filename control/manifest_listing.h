#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace claimfs::control {

// How a file is, as far as stat(2) tells; another one when somebody has changed it. Two changes
// within one tick of the kernel's coarse clock look alike: see is_recent().
struct FileSignature {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size_bytes = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  explicit FileSignature(const struct stat& status);
  // Whether it was changed so shortly before `now_ns` that the next change may not show.
  bool is_recent(std::int64_t now_ns) const;
  static std::int64_t now_ns();

  bool operator==(const FileSignature&) const = default;
};

struct ManifestListing {
  std::uint64_t device = 0;  // of the directory
  // The directory did not change meanwhile. If it did, readdir may have shown a file that was being
  // renamed under neither name.
  bool is_settled = false;
  // By path. None: there is something by that name, and nobody can say what.
  std::map<std::string, std::optional<FileSignature>> files;
};

// *.yaml, *.yml and *.json that neither begin with a dot nor with '#': none of the names under
// which editors keep what is not finished.
bool is_manifest_name(std::string_view name);

// The manifests of a directory; it has no slash at its end. Links are followed.
Result<ManifestListing> list_manifests(const std::string& directory);

}  // namespace claimfs::control
