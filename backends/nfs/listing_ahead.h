#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "backends/nfs/file.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// The beginning of a directory that a server was asked for before anybody has opened it.
struct ListingAhead {
  Identity who;  // on whose behalf
  std::shared_ptr<DirectoryNews> news;
  std::shared_ptr<NfsDirectory::Batch> batch;

  struct Answered {
    bool is_over = false;
    std::optional<std::uint64_t> device;  // none: the server has refused
    std::function<void()> then;           // who waits for it
  };
  Guarded<Answered> answered;

  // Nothing of ours has changed the directory since.
  bool is_current() const { return news->changes() == batch->changes_before; }
};

// Those that nobody has opened yet. Of too many the oldest go.
class ListingsAhead {
 public:
  static constexpr std::size_t kMost = 8;

  // Whether another had to go for it.
  bool add(const FileHandle& directory, std::shared_ptr<ListingAhead> ahead) {
    return all_.with([&](auto& all) {
      all.emplace_back(directory, std::move(ahead));
      if (all.size() <= kMost) return false;
      all.pop_front();
      return true;
    });
  }
  // Null: there is none.
  std::shared_ptr<ListingAhead> take(const FileHandle& directory) {
    return all_.with([&](auto& all) -> std::shared_ptr<ListingAhead> {
      for (auto at = all.begin(); at != all.end(); ++at) {
        if (at->first != directory) continue;
        auto taken = std::move(at->second);
        all.erase(at);
        return taken;
      }
      return nullptr;
    });
  }
  void clear() {
    all_.with([](auto& all) { all.clear(); });
  }

 private:
  Guarded<std::deque<std::pair<FileHandle, std::shared_ptr<ListingAhead>>>> all_;
};

}  // namespace claimfs::backends::nfs
