#include "backends/nfs/byte_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace claimfs::backends::nfs {

ByteQueue::ByteQueue(std::size_t capacity)
    : capacity_(capacity), memory_(std::make_unique_for_overwrite<std::byte[]>(capacity)) {}

std::span<std::byte> ByteQueue::room(std::size_t size) {
  if (capacity_ - end_ < size) {
    const std::size_t used = this->size();
    if (capacity_ - used < size) {
      capacity_ = std::max(capacity_ * 2, used + size);
      auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity_);
      std::memcpy(larger.get(), data(), used);
      memory_ = std::move(larger);
    } else {
      std::memmove(memory_.get(), data(), used);
    }
    begin_ = 0;
    end_ = used;
  }
  return {memory_.get() + end_, size};
}

void ByteQueue::append(std::span<const std::byte> bytes) {
  std::ranges::copy(bytes, room(bytes.size()).begin());
  add(bytes.size());
}

void ByteQueue::drop(std::size_t size) {
  begin_ += size;
  if (empty()) begin_ = end_ = 0;
}

}  // namespace claimfs::backends::nfs
