#include "control/manifest_directory.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "control/directory_watch.h"

namespace claimfs::control {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

// How late a change in the store may be noticed: one query each time.
constexpr auto kLookAtStore = seconds(5);
// A net below the notifications, for filesystems that send none: a stat of each file each time, in
// a thousandth of the time where that is enough.
constexpr auto kLookAtFiles = seconds(5);
constexpr auto kLookAtFilesAtLast = seconds(60);
constexpr int kRestForLook = 1000;
// vim with a backup renames a file before it writes it anew.
constexpr auto kGrace = seconds(1);

std::string directory_of(const std::string& file) { return file.substr(0, file.rfind('/')); }

}  // namespace

ManifestDirectories::ManifestDirectories(std::vector<std::string> directories, store::Store& store,
                                         Api& api, ManifestParser parse, Report report)
    : directories_(std::move(directories)),
      api_(api),
      batch_(store),
      report_(std::move(report)),
      cache_(directories_, std::move(parse)),
      stored_(store) {}

bool ManifestDirectories::look_at_files() {
  const Time start = steady_clock::now();
  const bool is_different = cache_.refresh();
  const Duration rest = (steady_clock::now() - start) * kRestForLook;
  look_pause_ = is_different ? Duration(kLookAtFiles)
                             : std::clamp<Duration>(rest, kLookAtFiles, kLookAtFilesAtLast);
  if (is_different) declare();
  return is_different;
}

void ManifestDirectories::declare() {
  declared_.clear();
  conflicts_.clear();
  for (const auto& [path, file] : cache_.files()) {
    for (const DeclaredObject& object : file.objects) {
      const auto [at, is_new] = declared_.try_emplace(object->key(), Declared{object, path});
      if (is_new) continue;
      conflicts_.insert(path + ": " + std::string(volumes::names_of(object->kind).singular) +
                        " \"" + object->name() + "\" is already declared in " + at->second.file +
                        ", which counts");
    }
  }
  std::erase_if(attempts_, [this](const auto& each) { return !declared_.contains(each.first); });
}

bool ManifestDirectories::is_due(const ObjectKey& key, const Declared& declared, Look look) const {
  const StoredManifests::Stored* stored = stored_.find(key);
  if (stored && stored->file < declared.file) {
    // An earlier file's, which cannot be read and whose last good version was before our time.
    const auto file = cache_.files().find(stored->file);
    if (file != cache_.files().end() && !file->second.has_version) return false;
  }
  const auto attempt = attempts_.find(key);
  if (attempt == attempts_.end() || attempt->second.object != declared.object) return true;
  if (attempt->second.version != (stored ? stored->version : 0)) return true;
  // What else has changed may be the reason that it was refused for.
  return look == Look::AtFiles && !attempt->second.refusal.empty();
}

void ManifestDirectories::note(const ObjectKey& key, const Answered<Api::Applied>& applied) {
  const Declared& declared = declared_.at(key);
  if (!applied && applied.error().reason == Refusal::Reason::Unreachable) {
    store_failed(applied.error().message);
    attempts_.erase(key);
    return;
  }
  Attempt& attempt = attempts_[key];
  attempt.object = declared.object;
  attempt.refusal = applied ? "" : declared.file + ": " + applied.error().message;
  if (applied) {
    attempt.version = stored_.put(applied->object);
  } else {
    const StoredManifests::Stored* stored = stored_.find(key);
    attempt.version = stored ? stored->version : 0;
  }
}

void ManifestDirectories::apply(const ObjectKey& key) {
  const Object& object = *declared_.at(key).object;
  const auto applied = batched_api_.apply(object);
  if (!applied || applied->outcome == Api::Outcome::Unchanged) {
    note(key, applied);
    return;
  }
  // Its version is known when it is written.
  attempts_[key] = {.object = declared_.at(key).object, .version = 0, .refusal = ""};
  waiting_.push_back({key, [this, key, &object] { note(key, api_.apply(object)); }});
  if (batch_.is_full()) flush();
}

void ManifestDirectories::flush() {
  const auto written = batch_.flush([this](const Object& object) {
    const store::Version version = stored_.put(object);
    if (const auto attempt = attempts_.find(object.key()); attempt != attempts_.end())
      attempt->second.version = version;
  });
  const auto waiting = std::exchange(waiting_, {});
  if (written) {
    stored_.wrote(*written);
    return;
  }
  const int code = written.error().code;
  const bool lost_race = code == EAGAIN || code == EEXIST || code == ENOENT;
  for (const Waiting& each : waiting) {
    if (lost_race && store_failure_.empty()) {
      // Somebody was quicker with one of them: which one, each will find out.
      each.do_singly();
    } else {
      attempts_.erase(each.key);
    }
  }
  if (!lost_race) store_failed("the store failed: " + written.error().message());
}

void ManifestDirectories::store_failed(const std::string& why) {
  store_failure_ = why;
  is_unfinished_ = true;
}

void ManifestDirectories::apply(Look look) {
  // Classes before volumes before claims before pods: what is matched should be there first.
  for (const Kind kind :
       {Kind::StorageClass, Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::Pod}) {
    for (const auto& [key, declared] : declared_) {
      if (has_to_stop()) break;
      if (key.kind == kind && is_due(key, declared, look)) apply(key);
    }
    flush();
  }
}

bool ManifestDirectories::is_spared(const std::string& path) {
  const auto file = cache_.files().find(path);
  if (file == cache_.files().end() || file->second.is_good) return false;
  if (file->second.complaints.empty())
    removals_.insert(path + ": is empty: the objects it declared stay until it is removed");
  return true;
}

void ManifestDirectories::remove(Api& api, const ObjectKey& key, const std::string& file) {
  const auto removed = api.remove(key);
  if (removed || removed.error().reason == Refusal::Reason::NotFound) return;
  is_unfinished_ = true;
  if (removed.error().reason == Refusal::Reason::Unreachable) {
    store_failed(removed.error().message);
  } else {
    removals_.insert(file + ": " + removed.error().message);
  }
}

void ManifestDirectories::remove_what_went(Duration grace) {
  removals_.clear();
  next_removal_.reset();
  std::map<ObjectKey, Time> undeclared;
  std::map<std::string, std::size_t> in_blank_directories;
  std::vector<std::pair<ObjectKey, std::string>> due;
  const Time now = steady_clock::now();
  for (const auto& [key, stored] : stored_.objects()) {
    const std::string directory = directory_of(stored.file);
    if (stored.file.empty() || stored.is_deleting || !cache_.is_ours(directory)) continue;
    if (is_spared(stored.file) || declared_.contains(key)) continue;
    if (!cache_.is_complete()) continue;
    if (cache_.is_blank(directory)) {
      ++in_blank_directories[directory];
      continue;
    }
    const auto since = undeclared_since_.find(key);
    const Time start = since == undeclared_since_.end() ? now : since->second;
    if (now - start >= grace) {
      due.emplace_back(key, stored.file);
    } else {
      undeclared.emplace(key, start);
      next_removal_ = std::min(next_removal_.value_or(start + grace), start + grace);
    }
  }
  undeclared_since_ = std::move(undeclared);
  for (const auto& [directory, count] : in_blank_directories) {
    removals_.insert(directory + ": is empty, and " + std::to_string(count) +
                     " objects came from it: they stay, for a filesystem may have to be mounted "
                     "there; any manifest in it, even an empty one, deletes them");
  }
  // Claims before volumes, so that nothing waits for what goes next.
  for (const Kind kind :
       {Kind::Pod, Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::StorageClass}) {
    for (const auto& [key, file] : due) {
      if (has_to_stop()) break;
      if (key.kind != kind) continue;
      remove(batched_api_, key, file);
      waiting_.push_back({key, [this, key = key, file = file] { remove(api_, key, file); }});
      if (batch_.is_full()) flush();
    }
    flush();
  }
}

void ManifestDirectories::complain() {
  std::set<std::string> complaints = cache_.complaints();
  complaints.insert(conflicts_.begin(), conflicts_.end());
  complaints.insert(removals_.begin(), removals_.end());
  if (!store_failure_.empty()) complaints.insert(store_failure_);
  has_refusals_ = false;
  for (const auto& [key, attempt] : attempts_) {
    if (attempt.refusal.empty()) continue;
    has_refusals_ = true;
    complaints.insert(attempt.refusal);
  }
  for (const std::string& complaint : complaints) {
    if (!reported_.contains(complaint)) report_(complaint);
  }
  reported_ = std::move(complaints);
}

void ManifestDirectories::sync(Look look, Duration grace) {
  bool is_different = std::exchange(is_unfinished_, false) || next_removal_;
  if (look == Look::AtFiles) is_different |= look_at_files() || has_refusals_;
  const auto stored = stored_.refresh();
  store_failure_.clear();
  if (!stored) {
    store_failed("the store failed: " + stored.error().message());
  } else if (!is_different && !*stored) {
    return;
  } else {
    apply(look);
    if (!has_to_stop()) remove_what_went(grace);
  }
  if (!stop_.stop_requested()) complain();
}

void ManifestDirectories::sync() { sync(Look::AtFiles, Duration::zero()); }

void ManifestDirectories::run(std::stop_token stop) {
  stop_ = std::move(stop);
  DirectoryWatch watch(directories_);
  std::stop_callback wake(stop_, [&watch] { watch.wake(); });
  Time next_look = steady_clock::now();
  bool has_changed = true;
  while (!stop_.stop_requested()) {
    const Time now = steady_clock::now();
    // Before anything is deleted it is looked for once more.
    const bool is_time = now >= next_look || (next_removal_ && now >= *next_removal_);
    const bool looks = has_changed || is_time;
    sync(looks ? Look::AtFiles : Look::AtStore, kGrace);
    if (looks) next_look = steady_clock::now() + look_pause_;
    const Time next = std::min(
        {steady_clock::now() + kLookAtStore, next_look, next_removal_.value_or(next_look)});
    has_changed = watch.wait(std::chrono::ceil<std::chrono::milliseconds>(
        std::max(next - steady_clock::now(), Duration::zero())));
  }
}

}  // namespace claimfs::control
