#include "backends/nfs/hidden_file.h"

#include <cinttypes>
#include <cstdio>
#include <random>

namespace claimfs::backends::nfs {

bool HiddenNames::contains(const FileHandle& directory, std::string_view name) const {
  if (!name.starts_with(".nfs")) return false;
  return names_.with([&](const auto& names) {
    return names.all.contains({std::string(directory.bytes()), std::string(name)});
  });
}

void HiddenNames::add(const FileHandle& directory, const std::string& name) {
  names_.with([&](Names& names) { names.all.emplace(directory.bytes(), name); });
}

void HiddenNames::remove(const FileHandle& directory, const std::string& name) {
  names_.with([&](Names& names) {
    names.gone.emplace_back(directory.bytes(), name);
    if (names.gone.size() <= kMostGone) return;
    names.all.erase(names.gone.front());
    names.gone.pop_front();
  });
}

std::string HiddenNames::make_name() {
  thread_local std::mt19937_64 numbers{std::random_device{}()};
  char name[40];
  std::snprintf(name, sizeof name, ".nfs%016" PRIx64 "%08x", numbers(),
                static_cast<unsigned>(numbers()));
  return name;
}

HiddenFile::HiddenFile(std::weak_ptr<Session> session, std::shared_ptr<HiddenNames> names,
                       const FileHandle& directory, std::string hidden_name, const Identity& who,
                       std::shared_ptr<Accounting> accounting)
    : session_(std::move(session)),
      names_(std::move(names)),
      directory_(directory),
      name_(std::move(hidden_name)),
      who_(who),
      accounting_(std::move(accounting)) {}

namespace {

void remove_in_background(Session& session, const Identity& who, const FileHandle& directory,
                          const std::string& hidden, std::function<void()> removed) {
  session.submit_in_background<Remove>(
      who, [directory, hidden](REMOVE3args& to) { to.object = place(directory, hidden); },
      [removed = std::move(removed)](const Result<REMOVE3res*>& reply) {
        if (reply) removed();
      });
}

// What goes with a last name, if the server says.
std::uint64_t bytes_of(const post_op_attr& told) {
  if (told.attributes_follow == 0) return 0;
  const fattr3& file = told.post_op_attr_u.attributes;
  return file.nlink <= 1 ? file.used : 0;
}

}  // namespace

HiddenFile::~HiddenFile() {
  const auto session = session_.lock();
  if (session && !accounting_)
    remove_in_background(*session, who_, directory_, name_, [] {});
  else if (session)
    session->submit_in_background<Lookup>(
        who_,
        [directory = directory_, hidden = name_](LOOKUP3args& to) {
          to.what = place(directory, hidden);
        },
        [weak = session_, who = who_, directory = directory_, hidden = name_,
         accounting = accounting_, since = accounting_->now()](const Result<LOOKUP3res*>& found) {
          const auto still = weak.lock();
          if (!still) return;
          const std::uint64_t used =
              found ? bytes_of((*found)->LOOKUP3res_u.resok.obj_attributes) : 0;
          remove_in_background(*still, who, directory, hidden,
                               [accounting, used, since] { accounting->shrank(used, since); });
        });
  names_->remove(directory_, name_);
}

void OpenFiles::opened(const FileHandle& handle) {
  files_.with([&](auto& files) { ++files[handle].count; });
}

void OpenFiles::closed(const FileHandle& handle) {
  // What it held goes outside the lock.
  std::shared_ptr<HiddenFile> hidden;
  files_.with([&](auto& files) {
    const auto found = files.find(handle);
    if (found == files.end() || --found->second.count > 0) return;
    hidden = std::move(found->second.hidden);
    files.erase(found);
  });
}

bool OpenFiles::is_open(const FileHandle& handle) const {
  return files_.with([&](const auto& files) { return files.contains(handle); });
}

bool OpenFiles::are_any() const {
  return files_.with([](const auto& files) { return !files.empty(); });
}

bool OpenFiles::keep(const FileHandle& handle, std::shared_ptr<HiddenFile> hidden) {
  return files_.with([&](auto& files) {
    const auto found = files.find(handle);
    if (found == files.end()) return false;
    found->second.hidden = std::move(hidden);
    return true;
  });
}

}  // namespace claimfs::backends::nfs
