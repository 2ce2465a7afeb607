#pragma once

#include <sched.h>

#include <cstddef>

namespace claimfs {

// On how many processors the calling thread may run.
inline std::size_t usable_processors() {
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
  return static_cast<std::size_t>(CPU_COUNT(&usable));
}

}  // namespace claimfs
