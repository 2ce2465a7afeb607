#include "control/manifest_directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "control/directory_watch.h"

namespace claimfs::control {
namespace {

using volumes::Kind;
using volumes::Object;

// A net below the notifications, for filesystems that send none.
constexpr auto kLookAgain = std::chrono::seconds(5);
constexpr std::array kDeclarable = {Kind::PersistentVolume, Kind::PersistentVolumeClaim,
                                    Kind::StorageClass, Kind::Pod};
constexpr std::uintmax_t kLargestFile = 16U << 20U;

bool is_manifest(const std::filesystem::path& file) {
  const std::string extension = file.extension();
  return !file.filename().string().starts_with('.') &&
         (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

std::string manifest_of(const Object& object) {
  return volumes::text_at(object.document,
                          {"metadata", "annotations", ManifestDirectories::kAnnotation});
}

}  // namespace

ManifestDirectories::ManifestDirectories(std::vector<std::string> directories, store::Store& store,
                                         Api& api, ManifestParser parse, Report report)
    : directories_(std::move(directories)),
      store_(store),
      api_(api),
      parse_(std::move(parse)),
      report_(std::move(report)) {}

void ManifestDirectories::read_file(const std::string& file, Contents& contents) const {
  contents.present.insert(file);
  std::error_code error;
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (!stream || std::filesystem::file_size(file, error) > kLargestFile || error ||
      !(text << stream.rdbuf())) {
    // An empty file sets failbit too, and says nothing.
    if (!error && std::filesystem::file_size(file, error) == 0 && !error) {
      contents.readable.insert(file);
    } else {
      contents.complaints.insert(file + ": cannot be read" +
                                 (error ? ": " + error.message() : ", or is larger than 16 MiB"));
    }
    return;
  }
  ParsedManifest parsed = parse_(text.str(), file);
  if (!parsed.complaints.empty()) {
    contents.complaints.insert(parsed.complaints.begin(), parsed.complaints.end());
    return;
  }
  contents.readable.insert(file);
  for (Object& object : parsed.objects) {
    if (std::ranges::find(kDeclarable, object.kind) == kDeclarable.end()) {
      contents.complaints.insert(file + ": a " +
                                 std::string(volumes::names_of(object.kind).kind_name) +
                                 " cannot be declared in a manifest directory");
      continue;
    }
    object.document["metadata"]["annotations"][std::string(kAnnotation)] = file;
    const auto [at, is_new] = contents.objects.try_emplace(object.key(), Declared{object, file});
    if (!is_new) {
      contents.complaints.insert(
          file + ": " + std::string(volumes::names_of(object.kind).singular) + " \"" +
          object.name() + "\" is already declared in " + at->second.file + ", which counts");
    }
  }
}

ManifestDirectories::Contents ManifestDirectories::read() const {
  Contents contents;
  for (const std::string& directory : directories_) {
    std::error_code error;
    std::set<std::string> files;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code ignored;
      if (is_manifest(entry->path()) && entry->is_regular_file(ignored))
        files.insert(entry->path());
    }
    if (error) {
      // A directory that is away for a moment deletes nothing.
      contents.is_complete = false;
      contents.complaints.insert(directory + ": cannot be listed: " + error.message());
      continue;
    }
    for (const std::string& file : files) read_file(file, contents);
  }
  return contents;
}

void ManifestDirectories::apply(const Contents& contents, std::set<std::string>& complaints) {
  // Classes before volumes before claims before pods: what is matched should be there first.
  for (Kind kind :
       {Kind::StorageClass, Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::Pod}) {
    for (const auto& [key, declared] : contents.objects) {
      if (key.kind != kind) continue;
      const auto applied = api_.apply(declared.object);
      if (!applied) complaints.insert(declared.file + ": " + applied.error().message);
    }
  }
}

void ManifestDirectories::remove_what_went(const Contents& contents,
                                           std::set<std::string>& complaints) {
  if (!contents.is_complete) return;
  // Claims before volumes, so that nothing waits for what goes next.
  for (Kind kind :
       {Kind::Pod, Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::StorageClass}) {
    const auto listing = store_.list(kind);
    if (!listing) {
      complaints.insert("the store failed: " + listing.error().message());
      return;
    }
    for (const Object& object : listing->objects) {
      const std::string file = manifest_of(object);
      const bool is_ours = std::ranges::any_of(directories_, [&file](const std::string& directory) {
        return std::filesystem::path(file).parent_path() == std::filesystem::path(directory);
      });
      const bool is_unreadable =
          contents.present.contains(file) && !contents.readable.contains(file);
      if (!is_ours || is_unreadable || object.is_deleting() ||
          contents.objects.contains(object.key()))
        continue;
      const auto removed = api_.remove(object.key());
      if (!removed && removed.error().reason != Refusal::Reason::NotFound) {
        complaints.insert(file + ": " + removed.error().message);
      }
    }
  }
}

void ManifestDirectories::complain(std::set<std::string> complaints) {
  for (const std::string& complaint : complaints) {
    if (!reported_.contains(complaint)) report_(complaint);
  }
  reported_ = std::move(complaints);
}

void ManifestDirectories::sync() {
  const Contents contents = read();
  std::set<std::string> complaints = contents.complaints;
  apply(contents, complaints);
  remove_what_went(contents, complaints);
  complain(std::move(complaints));
}

void ManifestDirectories::run(std::stop_token stop) {
  DirectoryWatch watch(directories_);
  std::stop_callback wake(stop, [&watch] { watch.wake(); });
  while (!stop.stop_requested()) {
    sync();
    watch.wait(kLookAgain);
  }
}

}  // namespace claimfs::control
