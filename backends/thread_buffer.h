#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "backends/caller.h"

namespace claimfs::backends {

// Room for the bytes of one read, the thread's own: valid until its next call. The kernel asks for
// at most its max_read at once; the buffer grows to that once per thread.
inline std::span<std::byte> thread_buffer(std::size_t size) {
  thread_local std::unique_ptr<std::byte[]> buffer;
  thread_local std::size_t capacity = 0;
  if (capacity < size) {
    buffer = std::make_unique_for_overwrite<std::byte[]>(size);
    capacity = size;
  }
  return {buffer.get(), size};
}

// Room for what a read is answered with, until the thread's next call: the caller's, or the
// thread's.
inline std::span<std::byte> answer_buffer(const Caller& caller, std::size_t size) {
  return caller.room.size() >= size ? caller.room.first(size) : thread_buffer(size);
}

}  // namespace claimfs::backends
