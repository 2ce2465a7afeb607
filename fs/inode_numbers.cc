#include "fs/inode_numbers.h"

#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <memory>

#include <spdlog/spdlog.h>

#include "base/fd.h"

namespace claimfs::fs {

namespace {

constexpr int kInoBits = 48;
constexpr std::uint64_t kInoMask = (std::uint64_t{1} << kInoBits) - 1;
constexpr std::uint16_t kLastIndex = 0xFFFF;

// Appends one line and makes it last. A lost line costs the stability of numbers, never data:
// reported, not fatal.
void append_index(const std::string& file, std::uint64_t device, std::uint16_t index) {
  if (file.empty()) return;
  Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  char line[64];
  const int length =
      std::snprintf(line, sizeof line, "%016" PRIx64 " %u\n", device, unsigned{index});
  if (!fd || ::write(fd.get(), line, static_cast<std::size_t>(length)) != length ||
      ::fdatasync(fd.get()) != 0) {
    spdlog::warn("inode_index=unsaved file={} reason=\"{}\"", file, Error(errno).message());
  }
}

}  // namespace

Result<InodeNumbers> InodeNumbers::load(std::string file) {
  InodeNumbers numbers;
  std::ifstream saved(file);
  std::string line;
  int line_number = 0;
  Error broken(0);
  numbers.indices_->with([&](Indices& indices) {
    while (!file.empty() && std::getline(saved, line)) {
      ++line_number;
      std::uint64_t device = 0;
      unsigned index = 0;
      if (std::sscanf(line.c_str(), "%" SCNx64 " %u", &device, &index) != 2 || index == 0 ||
          index > kLastIndex) {
        broken = Error(EINVAL, file + ":" + std::to_string(line_number) +
                                   ": not a filesystem index; remove the file to number anew");
        return;
      }
      indices.by_device[device] = static_cast<std::uint16_t>(index);
    }
    indices.file = std::move(file);
  });
  if (broken.code != 0) return failure(std::move(broken));
  return numbers;
}

std::uint64_t InodeNumbers::number(std::uint64_t device, std::uint64_t ino) {
  if (device == kTreeDevice) return ino;
  const std::uint64_t folded = (ino & kInoMask) ^ (ino >> kInoBits);
  return (std::uint64_t{index_of(device)} << kInoBits) | folded;
}

std::uint16_t InodeNumbers::index_of(std::uint64_t device) {
  // Neighbouring requests ask for the same filesystem: remember it, and no lock is shared on the
  // hot path.
  thread_local const void* last_owner = nullptr;
  thread_local std::uint64_t last_device = 0;
  thread_local std::uint16_t last_index = 0;
  if (last_owner == indices_.get() && last_device == device) return last_index;

  bool is_new = false;
  std::string file;
  const std::uint16_t index = indices_->with([&](Indices& indices) {
    const auto known = indices.by_device.find(device);
    if (known != indices.by_device.end()) return known->second;
    std::uint16_t next = 1;  // 0 is the tree's own
    for (const auto& [other, taken] : indices.by_device)
      next = std::max<std::uint16_t>(next, taken + 1);
    if (indices.by_device.size() >= kLastIndex - 1) next = kLastIndex;
    indices.by_device.emplace(device, next);
    is_new = true;
    file = indices.file;
    return next;
  });
  if (is_new) append_index(file, device, index);
  last_owner = indices_.get();
  last_device = device;
  last_index = index;
  return index;
}

}  // namespace claimfs::fs
