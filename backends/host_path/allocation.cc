#include "backends/host_path/allocation.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace claimfs::backends::host_path {

namespace {

constexpr std::uint32_t kExtents = 64;

std::uint64_t prefix_before_hole(int descriptor, off_t offset, std::uint64_t length) {
  const off_t hole = ::lseek(descriptor, offset, SEEK_HOLE);
  if (hole <= offset) return 0;
  return std::min(static_cast<std::uint64_t>(hole - offset), length);
}

}  // namespace

std::uint64_t allocated_prefix(int descriptor, off_t offset, std::uint64_t length) {
  alignas(struct fiemap)
      std::array<char, sizeof(struct fiemap) + kExtents * sizeof(struct fiemap_extent)>
          memory{};
  auto* map = reinterpret_cast<struct fiemap*>(memory.data());
  const auto start = static_cast<std::uint64_t>(offset);
  const std::uint64_t end = start + length;
  std::uint64_t position = start;
  while (position < end) {
    std::memset(memory.data(), 0, sizeof(struct fiemap));
    map->fm_start = position;
    map->fm_length = end - position;
    map->fm_extent_count = kExtents;
    if (::ioctl(descriptor, FS_IOC_FIEMAP, map) != 0)
      return prefix_before_hole(descriptor, offset, length);
    if (map->fm_mapped_extents == 0) break;
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const struct fiemap_extent& extent = map->fm_extents[i];
      if (extent.fe_logical > position || (extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0)
        return position - start;
      position = std::max<std::uint64_t>(position, extent.fe_logical + extent.fe_length);
      if (position >= end) return length;
      if ((extent.fe_flags & FIEMAP_EXTENT_LAST) != 0) return position - start;
    }
  }
  return std::min(position, end) - start;
}

}  // namespace claimfs::backends::host_path
