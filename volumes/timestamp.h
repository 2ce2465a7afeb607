#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace claimfs::volumes {

// Seconds since 1970 as RFC 3339 in UTC, as Kubernetes writes times: "2026-11-23T07:37:29Z".
std::string timestamp_text(std::int64_t seconds);
std::optional<std::int64_t> timestamp_seconds(std::string_view text);

// How long, as kubectl prints ages: `21s`, `2m30s`, `3h5m`, `2d4h`, `5y`. Source:
// KUBERNETES.md 8.1.
std::string age_text(std::int64_t seconds);

}  // namespace claimfs::volumes
