#include "backends/nfs/next_directories.h"

#include <algorithm>

namespace claimfs::backends::nfs {

void NextDirectories::listed(std::span<const FileHandle> directories) {
  if (directories.size() < 2) return;
  std::scoped_lock lock(mutex_);
  if (places_.size() + directories.size() > kMost) places_.clear();
  if (directories.size() > kMost) directories = directories.first(kMost);
  for (std::size_t at = 0; at < directories.size(); ++at)
    places_[directories[at]] = {.next = at + 1 < directories.size() ? directories[at + 1]
                                                                    : FileHandle()};
}

std::vector<FileHandle> NextDirectories::opened(const FileHandle& directory) {
  std::scoped_lock lock(mutex_);
  const auto found = places_.find(directory);
  if (found == places_.end()) return {};
  const bool was_expected = found->second.is_expected;
  found->second.is_expected = found->second.is_asked_for = false;
  auto next = places_.find(found->second.next);
  if (next == places_.end()) return {};
  next->second.is_expected = true;
  if (!was_expected || (trust_ == 0 && ++left_out_ % kTryAgain != 0)) return {};
  std::vector<FileHandle> worth_it;
  for (std::size_t ahead = 0; ahead < kAhead && next != places_.end(); ++ahead) {
    if (!next->second.is_asked_for) worth_it.push_back(next->first);
    next->second.is_asked_for = true;
    next = places_.find(next->second.next);
  }
  return worth_it;
}

void NextDirectories::was_right() {
  std::scoped_lock lock(mutex_);
  trust_ = std::min(trust_ + 1, kMostTrust);
}

void NextDirectories::was_wrong() {
  std::scoped_lock lock(mutex_);
  trust_ = std::max(trust_ - kDisappointment, 0);
}

}  // namespace claimfs::backends::nfs
