#pragma once

#include <cstdint>
#include <functional>

namespace claimfs::control {

// Seconds since 1970, UTC; a value so that tests own the time.
using Clock = std::function<std::int64_t()>;
Clock system_clock();

}  // namespace claimfs::control
