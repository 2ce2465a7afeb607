#include "control/manifest_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/fd.h"

namespace claimfs::control {
namespace {

using volumes::Kind;
using volumes::Object;

constexpr std::array kDeclarable = {Kind::PersistentVolume, Kind::PersistentVolumeClaim,
                                    Kind::StorageClass, Kind::Pod};
constexpr std::int64_t kLargestFile = 16 << 20;
// How long it is waited until a directory from which something is missing keeps still.
constexpr auto kPause = std::chrono::milliseconds(25);
constexpr int kListings = 10;

std::string without_slash(const std::string& directory) {
  const std::filesystem::path path = std::filesystem::path(directory).lexically_normal();
  return path.has_filename() || !path.has_parent_path() ? path : path.parent_path();
}

std::string directory_of(const std::string& file) { return file.substr(0, file.rfind('/')); }

struct Text {
  std::string text;
  std::string complaint;  // why there is none
  std::optional<FileSignature> signature;
  bool is_settled = false;
};

Text text_of(const std::string& path) {
  Text result;
  // Not to wait for what has become a FIFO.
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  const auto cannot = [&](const std::string& why) {
    result.complaint = path + ": cannot be read: " + why;
    return result;
  };
  if (!file || fstat(file.get(), &status) != 0) return cannot(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return cannot("it is no regular file");
  const FileSignature before(status);
  result.signature = before;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return cannot(std::strerror(errno));
    if (got == 0) break;
    result.text.append(buffer.data(), static_cast<std::size_t>(got));
    if (std::cmp_greater(result.text.size(), kLargestFile)) {
      result.is_settled = true;
      return cannot("it is larger than 16 MiB");
    }
  }
  result.is_settled = fstat(file.get(), &status) == 0 && FileSignature(status) == before &&
                      !before.is_recent(FileSignature::now_ns());
  return result;
}

DeclaredObject annotated(Object object, const std::string& path) {
  object.document["metadata"]["annotations"][std::string(kManifestAnnotation)] = path;
  return std::make_shared<const Object>(std::move(object));
}

}  // namespace

ManifestCache::ManifestCache(const std::vector<std::string>& directories, ManifestParser parse)
    : parse_(std::move(parse)) {
  for (const std::string& directory : directories) directories_[without_slash(directory)];
}

bool ManifestCache::is_complete() const {
  return std::ranges::all_of(directories_, [](const auto& each) { return each.second.is_whole; });
}

bool ManifestCache::is_blank(const std::string& directory) const {
  const auto found = directories_.find(directory);
  return found != directories_.end() && !found->second.had_files;
}

std::set<std::string> ManifestCache::complaints() const {
  std::set<std::string> all;
  for (const auto& [path, directory] : directories_) {
    if (!directory.complaint.empty()) all.insert(directory.complaint);
  }
  for (const auto& [path, file] : files_)
    all.insert(file.complaints.begin(), file.complaints.end());
  return all;
}

std::size_t ManifestCache::count_missing(const std::string& directory,
                                         const ManifestListing& listing) const {
  std::size_t missing = 0;
  for (auto at = files_.lower_bound(directory + "/");
       at != files_.end() && at->first.starts_with(directory + "/"); ++at) {
    // A directory of ours may be in another one.
    if (directory_of(at->first) == directory && !listing.files.contains(at->first)) ++missing;
  }
  return missing;
}

Result<ManifestListing> ManifestCache::settled_listing(const std::string& path,
                                                       const Directory& directory) const {
  ManifestListing listing = TRY(list_manifests(path));
  for (int count = 1; count < kListings && !listing.is_settled; ++count) {
    // At first nobody knows what is missing.
    if (directory.device && count_missing(path, listing) == 0) break;
    std::this_thread::sleep_for(kPause);
    listing = TRY(list_manifests(path));
  }
  return listing;
}

void ManifestCache::list(const std::string& path, Directory& directory, Listings& seen,
                         Gone& gone) {
  auto listing = settled_listing(path, directory);
  if (!listing) {
    // A directory that is away for a moment deletes nothing.
    directory.is_whole = false;
    directory.complaint = path + ": cannot be listed: " + listing.error().message();
    return;
  }
  directory.complaint.clear();
  directory.had_files |= !listing->files.empty();
  const std::size_t missing = count_missing(path, *listing);
  directory.is_whole = listing->is_settled || (missing == 0 && directory.device);
  if (!directory.is_whole) {
    if (missing > 0)
      directory.complaint = path + ": does not keep still: nothing is deleted until it does";
  } else if (missing > 0 && directory.device && *directory.device != listing->device) {
    directory.complaint =
        path + ": is another filesystem than before, and " + std::to_string(missing) +
        " of its manifests are not there: their objects stay until it is mounted again";
  } else {
    directory.device = listing->device;
    for (auto at = files_.lower_bound(path + "/");
         at != files_.end() && at->first.starts_with(path + "/");) {
      if (directory_of(at->first) != path || listing->files.contains(at->first)) {
        ++at;
        continue;
      }
      if (const auto& was = at->second.signature)
        gone.emplace(std::pair(was->device, was->inode), std::move(at->second));
      at = files_.erase(at);
    }
  }
  seen.merge(listing->files);
}

bool ManifestCache::refresh() {
  Listings seen;
  Gone gone;
  const std::set<std::string> before = complaints();
  const std::size_t count = files_.size();
  const bool was_complete = is_complete();
  for (auto& [path, directory] : directories_) list(path, directory, seen, gone);
  bool is_different = files_.size() != count || is_complete() != was_complete;
  for (const auto& [path, signature] : seen) {
    const auto [at, is_new] = files_.try_emplace(path);
    ManifestFile& file = at->second;
    if (!is_new && file.is_settled && file.signature && file.signature == signature) continue;
    const auto old = is_new && signature ? gone.find(std::pair(signature->device, signature->inode))
                                         : gone.end();
    if (old != gone.end() && old->second.has_version) {
      // Renamed: what it last said is still what it last said if it says nothing now.
      file.has_version = true;
      for (const DeclaredObject& object : old->second.objects)
        file.objects.push_back(annotated(*object, path));
    }
    if (read(path, signature, file) || is_new) is_different = true;
  }
  return is_different || complaints() != before;
}

bool ManifestCache::read(const std::string& path, const std::optional<FileSignature>& seen,
                         ManifestFile& file) {
  const bool was_good = file.is_good;
  const bool was_read = file.signature.has_value() && file.text_hash != 0;
  Text text = text_of(path);
  file.is_settled = text.is_settled && seen.has_value();
  file.signature = text.signature ? text.signature : seen;
  if (!text.complaint.empty()) {
    file.complaints = {std::move(text.complaint)};
    file.is_good = false;
    file.text_hash = 0;
    return was_good;
  }
  const std::uint64_t hash = std::hash<std::string_view>()(text.text) | 1;
  if (was_read && hash == file.text_hash) return false;
  file.text_hash = hash;
  return parse(path, text.text, file);
}

bool ManifestCache::parse(const std::string& path, const std::string& text, ManifestFile& file) {
  // Nothing at all is what a crash leaves of a file, or a writer that has only begun.
  ParsedManifest parsed = text.empty() ? ParsedManifest{} : parse_(text, path);
  file.complaints = std::move(parsed.complaints);
  file.is_good = !text.empty() && file.complaints.empty();
  if (!file.is_good) return true;
  file.has_version = true;
  std::map<volumes::ObjectKey, DeclaredObject> old;
  for (DeclaredObject& object : file.objects) old.emplace(object->key(), std::move(object));
  file.objects.clear();
  for (Object& object : parsed.objects) {
    if (std::ranges::find(kDeclarable, object.kind) == kDeclarable.end()) {
      file.complaints.push_back(path + ": a " +
                                std::string(volumes::names_of(object.kind).kind_name) +
                                " cannot be declared in a manifest directory");
      continue;
    }
    DeclaredObject fresh = annotated(std::move(object), path);
    const auto known = old.find(fresh->key());
    const bool is_same = known != old.end() && known->second->document == fresh->document;
    file.objects.push_back(is_same ? known->second : std::move(fresh));
  }
  return true;
}

}  // namespace claimfs::control
