#include <algorithm>

#include "backends/nfs/written_file.h"

namespace claimfs::backends::nfs {

std::shared_ptr<WrittenFile> WrittenFiles::find(const FileHandle& handle) const {
  if (!has_any_.load(std::memory_order_relaxed)) return nullptr;
  return known_.with([&](const Known& known) -> std::shared_ptr<WrittenFile> {
    const auto found = known.files.find(handle);
    return found == known.files.end() ? nullptr : found->second.lock();
  });
}

std::shared_ptr<WrittenFile> WrittenFiles::get(const FileHandle& handle,
                                               const std::shared_ptr<WrittenVolume>& volume) {
  return known_.with([&](Known& known) {
    std::weak_ptr<WrittenFile>& place = known.files[handle];
    std::shared_ptr<WrittenFile> file = place.lock();
    if (file) return file;
    file = std::make_shared<WrittenFile>(volume, handle);
    place = file;
    has_any_.store(true);
    if (known.files.size() >= known.sweep_at) {
      std::erase_if(known.files, [](const auto& one) { return one.second.expired(); });
      known.sweep_at = std::max<std::size_t>(64, 2 * known.files.size());
    }
    return file;
  });
}

void WrittenFiles::keep(std::shared_ptr<WrittenFile> closed) {
  std::shared_ptr<WrittenFile> over;  // may end: not under the lock
  known_.with([&](Known& known) {
    if (!known.kept.empty() && known.kept.back() == closed) return;
    known.kept.push_back(std::move(closed));
    if (known.kept.size() <= kMostKept) return;
    over = std::move(known.kept.front());
    known.kept.pop_front();
  });
}

void WrittenFiles::let_go() {
  std::deque<std::shared_ptr<WrittenFile>> kept;
  known_.with([&](Known& known) { kept.swap(known.kept); });
}

std::vector<std::shared_ptr<WrittenFile>> WrittenFiles::all() const {
  return known_.with([](const Known& known) {
    std::vector<std::shared_ptr<WrittenFile>> living;
    for (const auto& [handle, place] : known.files)
      if (auto file = place.lock()) living.push_back(std::move(file));
    return living;
  });
}

}  // namespace claimfs::backends::nfs
