#pragma once

#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace claimfs {

// Closes every descriptor of this process, or of this thread where it shares none, from `first` on
// but `kept`.
inline void close_descriptors_but(int kept, unsigned first) {
  const auto number = static_cast<unsigned>(kept);
  if (number > first) ::syscall(SYS_close_range, first, number - 1, 0U);
  ::syscall(SYS_close_range, number + 1, ~0U, 0U);
}

}  // namespace claimfs
