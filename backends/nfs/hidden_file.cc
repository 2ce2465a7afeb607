#include "backends/nfs/hidden_file.h"

#include <cinttypes>
#include <cstdio>
#include <random>

namespace claimfs::backends::nfs {

bool HiddenNames::contains(const FileHandle& directory, std::string_view name) const {
  if (!name.starts_with(".nfs")) return false;
  return names_.with([&](const auto& names) {
    return names.contains({std::string(directory.bytes()), std::string(name)});
  });
}

void HiddenNames::add(const FileHandle& directory, const std::string& name) {
  names_.with([&](auto& names) { names.emplace(directory.bytes(), name); });
}

void HiddenNames::remove(const FileHandle& directory, const std::string& name) {
  names_.with([&](auto& names) { names.erase({std::string(directory.bytes()), name}); });
}

std::string HiddenNames::make_name() {
  thread_local std::mt19937_64 numbers{std::random_device{}()};
  char name[40];
  std::snprintf(name, sizeof name, ".nfs%016" PRIx64 "%08x", numbers(),
                static_cast<unsigned>(numbers()));
  return name;
}

HiddenFile::HiddenFile(std::weak_ptr<Session> session, std::shared_ptr<HiddenNames> names,
                       const FileHandle& directory, std::string hidden_name, const Identity& who)
    : session_(std::move(session)),
      names_(std::move(names)),
      directory_(directory),
      name_(std::move(hidden_name)),
      who_(who) {}

HiddenFile::~HiddenFile() {
  if (const auto session = session_.lock()) {
    session->submit_in_background<Remove>(
        who_, [directory = directory_, hidden = name_](REMOVE3args& to) {
          to.object = place(directory, hidden);
        });
  }
  names_->remove(directory_, name_);
}

void OpenFiles::opened(const FileHandle& handle) {
  files_.with([&](auto& files) { ++files[std::string(handle.bytes())].count; });
}

void OpenFiles::closed(const FileHandle& handle) {
  // What it held goes outside the lock.
  std::shared_ptr<HiddenFile> hidden;
  files_.with([&](auto& files) {
    const auto found = files.find(std::string(handle.bytes()));
    if (found == files.end() || --found->second.count > 0) return;
    hidden = std::move(found->second.hidden);
    files.erase(found);
  });
}

bool OpenFiles::is_open(const FileHandle& handle) const {
  return files_.with(
      [&](const auto& files) { return files.contains(std::string(handle.bytes())); });
}

bool OpenFiles::are_any() const {
  return files_.with([](const auto& files) { return !files.empty(); });
}

bool OpenFiles::keep(const FileHandle& handle, std::shared_ptr<HiddenFile> hidden) {
  return files_.with([&](auto& files) {
    const auto found = files.find(std::string(handle.bytes()));
    if (found == files.end()) return false;
    found->second.hidden = std::move(hidden);
    return true;
  });
}

}  // namespace claimfs::backends::nfs
