#include "control/pending_writes.h"

#include <cerrno>
#include <deque>
#include <utility>

#include "volumes/timestamp.h"

namespace claimfs::control {

using store::Write;
using volumes::Json;
using volumes::Kind;
using volumes::ObjectKey;

void PendingWrites::note(const ObjectKey& key, Write::Type type) {
  const auto found = pending_.find(key);
  if (found == pending_.end()) {
    const volumes::Object* known = mirror_.find(key);
    pending_[key] = {type, known ? known->resource_version() : ""};
    return;
  }
  Pending& pending = found->second;
  if (pending.type == Write::Type::Create) {
    // What was never written is created as it is now, or not at all.
    if (type == Write::Type::Remove) pending_.erase(found);
  } else if (pending.type == Write::Type::Remove) {
    pending.type = Write::Type::Update;  // removed and made anew
  } else {
    pending.type = type;
  }
}

// `known`: what the mirror would read from the document, if it need not.
template <class... Known>
bool PendingWrites::replace(const ObjectKey& key, Json document, const Known&... known) {
  const volumes::Object* before = mirror_.find(key);
  if (document == before->document) return false;
  if (key.kind == Kind::PersistentVolume &&
      volumes::text_at(document, {"status", "phase"}) !=
          volumes::text_at(before->document, {"status", "phase"})) {
    document["status"]["lastPhaseTransitionTime"] = volumes::timestamp_text(clock_());
  }
  note(key, Write::Type::Update);
  mirror_.put({key.kind, std::move(document)}, known...);
  return true;
}

bool PendingWrites::put(const ObjectKey& key, Json document) {
  return replace(key, std::move(document));
}

void PendingWrites::create(volumes::Object object) {
  note(object.key(), Write::Type::Create);
  mirror_.put(std::move(object));
}

void PendingWrites::remove(const ObjectKey& key) {
  note(key, Write::Type::Remove);
  mirror_.erase(key);
}

bool PendingWrites::perform(const volumes::Step& step) {
  for (const volumes::Notice& notice : step.notices) tell(notice);
  bool changed = false;
  if (step.volume) {
    const ObjectKey key{Kind::PersistentVolume, "", step.volume->metadata.name};
    changed |= replace(key, step.volume->written_into(mirror_.find(key)->document), *step.volume);
  }
  if (step.claim) {
    const auto& metadata = step.claim->metadata;
    const ObjectKey key{Kind::PersistentVolumeClaim, metadata.name_space, metadata.name};
    changed |= replace(key, step.claim->written_into(mirror_.find(key)->document), *step.claim);
  }
  return changed;
}

Result<void> PendingWrites::flush() {
  std::vector<Write> writes;
  std::vector<ObjectKey> keys;
  std::deque<volumes::Object> removed;  // is not in the mirror any more
  for (const auto& [key, pending] : pending_) {
    keys.push_back(key);
    if (pending.type != Write::Type::Remove) {
      writes.push_back({pending.type, mirror_.to_write(key)});
      continue;
    }
    removed.push_back({key.kind,
                       {{"metadata",
                         {{"name", key.name},
                          {"namespace", key.name_space},
                          {"resourceVersion", pending.base}}}}});
    writes.push_back({pending.type, &removed.back()});
  }
  if (!writes.empty()) {
    const auto written = store_.write_all(writes);
    if (!written) {
      const int code = written.error().code;
      if (code == EAGAIN || code == ENOENT || code == EEXIST) return read_again();
      return failure(written.error());
    }
    pending_.clear();
    mirror_.written(*written, keys);
  }
  // Told when it is true.
  events_.record_all(std::exchange(notices_, {}));
  return {};
}

Result<void> PendingWrites::read_again() {
  notices_.clear();
  for (const auto& [key, pending] : std::exchange(pending_, {})) {
    auto current = store_.get(key);
    if (current) {
      mirror_.put(std::move(*current));
    } else if (current.error().code == ENOENT) {
      mirror_.erase(key);
    } else {
      return failure(current.error());
    }
  }
  return {};
}

void PendingWrites::drop() {
  pending_.clear();
  notices_.clear();
}

}  // namespace claimfs::control
