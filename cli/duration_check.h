#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "cli/duration.h"

namespace claimfs::cli {

// For options that take a duration: what is none is a usage error that says how one is written.
inline CLI::Validator duration_check() {
  return {[](const std::string& text) {
            return parse_duration(text)
                       ? std::string()
                       : "\"" + text + "\" is no duration: write 60s, 500ms, 2m or 1h";
          },
          "DURATION"};
}

}  // namespace claimfs::cli
