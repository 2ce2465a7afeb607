#pragma once

#include "base/result.h"
#include "config/config.h"

namespace claimfs::cli {

enum class LogTarget { Stderr, Configured };  // Configured: log.file, or syslog when that is empty

// Makes spdlog write as the configuration says. May be called again: later lines go to the new
// place.
Result<void> set_up_log(const config::Config& config, LogTarget target);

}  // namespace claimfs::cli
