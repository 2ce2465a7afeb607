#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace claimfs::backends::nfs {

// Memory that is filled at one end and emptied at the other, and grows as needed.
class ByteQueue {
 public:
  explicit ByteQueue(std::size_t capacity);
  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::byte* data() { return memory_.get() + begin_; }
  std::span<std::byte> bytes() { return {data(), size()}; }
  // To be written to, and then add()ed, whole or in part.
  std::span<std::byte> room(std::size_t size);
  void add(std::size_t size) { end_ += size; }
  void append(std::span<const std::byte> bytes);
  void drop(std::size_t size);

 private:
  std::size_t capacity_;
  std::unique_ptr<std::byte[]> memory_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace claimfs::backends::nfs
