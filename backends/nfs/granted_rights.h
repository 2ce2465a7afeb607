#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "backends/nfs/file_handle.h"
#include "backends/nfs/identity.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// What a server has granted by ACCESS within the last second, so that a file that is opened again
// and again is not asked for each time. Some of it only: a later one takes an earlier one's place.
// Thread-safe.
class GrantedRights {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: nothing is known.
  std::uint32_t of(const FileHandle& handle, const Identity& who) const {
    return grants_.with([&](const std::vector<Grant>& grants) -> std::uint32_t {
      if (grants.empty()) return 0;
      const Grant& grant = grants[slot(handle)];
      const bool is_it =
          grant.handle == handle && is_same(grant.who, who) && Clock::now() - grant.at < kTrusted;
      return is_it ? grant.rights : 0;
    });
  }
  void add(const FileHandle& handle, const Identity& who, std::uint32_t rights) {
    grants_.with([&](std::vector<Grant>& grants) {
      grants.resize(kSlots);
      grants[slot(handle)] = {handle, who, rights, Clock::now()};
    });
  }
  // Its mode or owner changes.
  void drop(const FileHandle& handle) {
    grants_.with([&](std::vector<Grant>& grants) {
      if (!grants.empty()) grants[slot(handle)] = {};
    });
  }

 private:
  static constexpr std::size_t kSlots = 512;
  // As long as the kernel believes in modes and owners.
  static constexpr auto kTrusted = std::chrono::seconds(1);

  struct Grant {
    FileHandle handle;
    Identity who;
    std::uint32_t rights = 0;
    Clock::time_point at{};
  };
  static std::size_t slot(const FileHandle& handle) {
    return std::hash<std::string_view>{}(handle.bytes()) % kSlots;
  }

  Guarded<std::vector<Grant>> grants_;  // empty until there is one
};

}  // namespace claimfs::backends::nfs
