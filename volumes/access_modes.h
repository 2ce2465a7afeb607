#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "volumes/object.h"

namespace claimfs::volumes {

enum class AccessMode : std::uint8_t {
  ReadWriteOnce,
  ReadOnlyMany,
  ReadWriteMany,
  ReadWriteOncePod
};

std::string_view to_string(AccessMode mode);
std::optional<AccessMode> access_mode_from(std::string_view word);

// A set of access modes. Order and repetition mean nothing; words that no mode has are left out
// (validation complains).
class AccessModes {
 public:
  AccessModes() = default;
  AccessModes(std::initializer_list<AccessMode> modes);

  // From `accessModes: [ReadWriteOnce, …]`.
  static AccessModes from(const Json& list);

  bool has(AccessMode mode) const { return bits_ & bit(mode); }
  bool includes(AccessModes others) const { return (bits_ & others.bits_) == others.bits_; }
  bool empty() const { return bits_ == 0; }
  int count() const { return __builtin_popcount(bits_); }

  // "RWO,ROX,RWX,RWOP", always in this order: what kubectl prints, and what volumes are grouped by.
  std::string canonical() const;

  friend bool operator==(AccessModes, AccessModes) = default;

 private:
  static std::uint8_t bit(AccessMode mode) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(mode));
  }
  std::uint8_t bits_ = 0;
};

}  // namespace claimfs::volumes
