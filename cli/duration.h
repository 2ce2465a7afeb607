#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace claimfs::cli {

// `60s`, `500ms`, `2m`, `1h`, `1m30s` as kubectl takes them; nothing for all else and for negative
// ones.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace claimfs::cli
