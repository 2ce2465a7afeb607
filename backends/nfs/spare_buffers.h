#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/guarded.h"

namespace claimfs::backends::nfs {

// Blocks of one size that are used again: fresh ones from the system cost four times what copying
// 1 MiB into them does (page faults; claimfs_tests "[.bench-nfs-writes]"). Synchronises itself.
class SpareBuffers {
 public:
  using Block = std::unique_ptr<std::byte[]>;

  // Keeps at most so many that nobody uses.
  SpareBuffers(std::size_t block_bytes, std::size_t most_spare)
      : block_bytes_(block_bytes), most_spare_(most_spare) {}

  std::size_t block_bytes() const { return block_bytes_; }

  // Contents are arbitrary.
  Block take() {
    Block block = spare_.with([](std::vector<Block>& spare) {
      if (spare.empty()) return Block();
      Block last = std::move(spare.back());
      spare.pop_back();
      return last;
    });
    return block ? std::move(block) : std::make_unique_for_overwrite<std::byte[]>(block_bytes_);
  }
  void give_back(Block block) {
    spare_.with([&](std::vector<Block>& spare) {
      if (spare.size() < most_spare_) spare.push_back(std::move(block));
    });
  }

 private:
  const std::size_t block_bytes_;
  const std::size_t most_spare_;
  Guarded<std::vector<Block>> spare_;
};

}  // namespace claimfs::backends::nfs
