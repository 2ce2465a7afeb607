#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace claimfs::cli {

// `60s`, `500ms`, `2m`, `1.5h`, `1m30s`, `-1s` as kubectl takes them, rounded away from zero to
// whole milliseconds; nothing for all else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace claimfs::cli
