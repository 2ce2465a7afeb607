#pragma once

#include <sys/types.h>

#include <vector>

namespace claimfs::cli {

// Every process in /proc but ours, by pid. Some may have ended by the time they are looked at.
std::vector<pid_t> other_processes();

}  // namespace claimfs::cli
