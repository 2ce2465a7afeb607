#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "backends/nfs/backend.h"
#include "tests/unit/memory_bound.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

constexpr std::uint64_t kMi = std::uint64_t{1} << 20;
constexpr std::uint64_t kCapacity = 8 * kMi;

// A volume of 8Mi on a server.
class LimitedVolume {
 public:
  LimitedVolume(const volumes::NfsOptions& options, BoundInMemory& bound)
      : LimitedVolume(options, std::make_unique<MemoryBound>(bound)) {}
  LimitedVolume(const volumes::NfsOptions& options, std::unique_ptr<SharedBound> bound)
      : volume_(backend(options, std::move(bound), told_), {}) {}

  Volume& operator*() { return volume_; }
  Volume* operator->() { return &volume_; }
  int told() const { return told_; }

  // Appends until there is no more room.
  std::uint64_t fill(File& file, std::size_t part, std::uint64_t end = 0) {
    const std::string text(part, 'x');
    while (true) {
      const auto written = volume_.write(file, text, static_cast<off_t>(end));
      if (!written) {
        // No CHECK: writers on other threads come here, too.
        if (code_of(written) != ENOSPC) throw std::runtime_error(written.error().message());
        return end;
      }
      end += *written;
    }
  }
  int flush(File& file) {
    return code_of(ask<void>(
        [&](auto answer) { volume_.backend().flush(volume_.caller, file, std::move(answer)); }));
  }
  int resize(Inode& inode, off_t size, File* file = nullptr) {
    AttributeChanges changes;
    changes.size = size;
    return code_of(volume_.change(inode, changes, file));
  }
  std::uint64_t used() {
    return ask<FileSystemState>([&](auto answer) {
             volume_.backend().file_system_state(volume_.caller, std::move(answer));
           })
        ->used_bytes.value_or(0);
  }

 private:
  static std::unique_ptr<Backend> backend(const volumes::NfsOptions& options,
                                          std::unique_ptr<SharedBound> bound,
                                          std::atomic<int>& told) {
    CapacityOptions capacity{.bytes = kCapacity, .bound = std::move(bound)};
    capacity.report_full = [&told] { ++told; };
    return make_nfs_backend(options, std::move(capacity));
  }

  std::atomic<int> told_{0};
  Volume volume_;
};

// What du counts.
inline std::uint64_t occupied(const std::string& directory) {
  struct stat found {};
  ::stat(directory.c_str(), &found);
  auto blocks = static_cast<std::uint64_t>(found.st_blocks);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (::lstat(entry.path().c_str(), &found) == 0)
      blocks += static_cast<std::uint64_t>(found.st_blocks);
  return blocks * 512;
}

inline bool is_nearly_full(std::uint64_t bytes) {
  return bytes <= kCapacity && bytes > kCapacity - kCapacity / 50;
}

}  // namespace claimfs::tests
