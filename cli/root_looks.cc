#include "cli/root_looks.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace claimfs::cli {

namespace {
constexpr std::size_t kAtOnce = 32;
}  // namespace

void look_at_roots(const std::vector<std::shared_ptr<fs::ServedVolume>>& volumes) {
  std::atomic<std::size_t> next{0};
  const auto look = [&] {
    for (std::size_t at = next++; at < volumes.size(); at = next++) volumes[at]->look_at_root();
  };
  std::vector<std::jthread> others;
  while (others.size() + 1 < std::min(volumes.size(), kAtOnce)) others.emplace_back(look);
  look();
}

}  // namespace claimfs::cli
