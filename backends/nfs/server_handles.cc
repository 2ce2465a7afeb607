#include "backends/nfs/server_handles.h"

#include <cassert>
#include <utility>

namespace claimfs::backends::nfs {

void ServerHandles::set_root(const FileHandle& root, std::function<bool()> find_again) {
  root_ = root;
  find_root_ = std::move(find_again);
}

FileHandle ServerHandles::theirs(const FileHandle& ours) const {
  if (changes() == 0) return ours;
  return known_.with([&](const Known& known) {
    const auto found = known.by_ours.find(ours);
    return found == known.by_ours.end() ? ours : found->second.theirs;
  });
}

FileHandle ServerHandles::ours(const FileHandle& theirs) const {
  if (changes() == 0) return theirs;
  return known_.with([&](const Known& known) {
    const auto found = known.by_theirs.find(theirs);
    return found == known.by_theirs.end() ? theirs : found->second;
  });
}

void ServerHandles::begin_change(const FileHandle& ours) {
  known_.with([&](Known& known) {
    Place& place = known.by_ours[ours];
    if (!place.theirs) place.theirs = ours;
    ++place.changing;
  });
}

void ServerHandles::end_change(const FileHandle& ours, const FileHandle& theirs) {
  known_.with([&](Known& known) {
    const auto at = known.by_ours.find(ours);
    assert(at != known.by_ours.end() && at->second.changing > 0);
    Place& place = at->second;
    --place.changing;
    if (theirs && theirs != place.theirs) {
      known.by_theirs.erase(place.theirs);
      if (theirs != ours) known.by_theirs.insert_or_assign(theirs, ours);
      if (place.changed_at == 0 && ours != root_) known.changed.push_back(ours);
      place.theirs = theirs;
      place.changed_at = changes_.fetch_add(1, std::memory_order_acq_rel) + 1;
    }
    if (place.changed_at == 0 && place.changing == 0) known.by_ours.erase(at);
    if (known.changed.size() <= kMost) return;
    const FileHandle oldest = known.changed.front();
    known.changed.pop_front();
    forget(known, oldest);
  });
}

void ServerHandles::forget(Known& known, const FileHandle& ours) {
  const auto at = known.by_ours.find(ours);
  known.by_theirs.erase(at->second.theirs);
  at->second.theirs = ours;
  at->second.changed_at = 0;
  if (at->second.changing == 0) known.by_ours.erase(at);
}

bool ServerHandles::is_changing(const FileHandle& ours) const {
  return known_.with([&](const Known& known) {
    const auto found = known.by_ours.find(ours);
    return found != known.by_ours.end() && found->second.changing > 0;
  });
}

bool ServerHandles::may_heal(const FileHandle& ours, std::uint64_t at_change) {
  const bool is_known = known_.with([&](const Known& known) {
    const auto found = known.by_ours.find(ours);
    return found != known.by_ours.end() &&
           (found->second.changing > 0 || found->second.changed_at > at_change);
  });
  if (is_known) return true;
  return find_root_ && ours == root_ && find_root_();
}

}  // namespace claimfs::backends::nfs
