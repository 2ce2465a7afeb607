#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/manifest_listing.h"
#include "volumes/object.h"

namespace claimfs::control {

// What a manifest file says.
struct ParsedManifest {
  std::vector<volumes::Object> objects;
  std::vector<std::string> complaints;  // `FILE:LINE: what`; not empty: the file changes nothing
};
// Reads a manifest's text; the file's name is for complaints.
using ManifestParser =
    std::function<ParsedManifest(std::string_view text, const std::string& file)>;

// Which file an object came from: an annotation of the object.
inline constexpr std::string_view kManifestAnnotation = "claimfs.io/manifest";

// Shared so that the same pointer means the same document, however often its file is read.
using DeclaredObject = std::shared_ptr<const volumes::Object>;

struct ManifestFile {
  std::vector<DeclaredObject> objects;  // of its last good version, annotated
  std::vector<std::string> complaints;
  bool is_good = false;      // it could be read, and parsed
  bool has_version = false;  // it was good at some time

  // Of what was read last.
  std::optional<FileSignature> signature;
  bool is_settled = false;  // an equal signature means an equal text
  std::uint64_t text_hash = 0;
};

// What the files of some directories say. Looks at each with one stat, and reads only those that
// have changed. Never takes a file for gone that it merely cannot see.
class ManifestCache {
 public:
  ManifestCache(const std::vector<std::string>& directories, ManifestParser parse);

  // Looks at everything. True when something is different now.
  bool refresh();

  // By path: of two files that declare the same, the first counts.
  const std::map<std::string, ManifestFile>& files() const { return files_; }
  // Every directory could be listed, and kept still: what is not here is nowhere.
  bool is_complete() const;
  // A directory of ours in which no manifest has been seen yet, nor is there any: where a
  // filesystem is to be mounted, perhaps.
  bool is_blank(const std::string& directory) const;
  bool is_ours(const std::string& directory) const { return directories_.contains(directory); }
  // Of directories and files.
  std::set<std::string> complaints() const;

 private:
  struct Directory {
    std::optional<std::uint64_t> device;  // while it was whole
    std::string complaint;
    bool is_whole = false;  // what is not there is gone
    bool had_files = false;
  };
  using Listings = std::map<std::string, std::optional<FileSignature>>;
  using Gone = std::map<std::pair<std::uint64_t, std::uint64_t>, ManifestFile>;  // by inode

  Result<ManifestListing> settled_listing(const std::string& path,
                                          const Directory& directory) const;
  std::size_t count_missing(const std::string& directory, const ManifestListing& listing) const;
  void list(const std::string& path, Directory& directory, Listings& seen, Gone& gone);
  bool read(const std::string& path, const std::optional<FileSignature>& seen, ManifestFile& file);
  bool parse(const std::string& path, const std::string& text, ManifestFile& file);

  ManifestParser parse_;
  std::map<std::string, Directory> directories_;  // by path, without a slash at its end
  std::map<std::string, ManifestFile> files_;
};

}  // namespace claimfs::control
