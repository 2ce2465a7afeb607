#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>

#include "backends/caller.h"

namespace claimfs::backends::nfs {

// Whom a server is told of with a call: AUTH_UNIX has room for sixteen groups (RFC 5531, appendix
// A), and a caller who is in more is known by his first ones.
struct Identity {
  static constexpr std::size_t kMostGroups = 16;

  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;  // whose groups they are; not sent
  unsigned char group_count = 0;
  std::array<std::uint32_t, kMostGroups> groups{};

  friend bool is_same(const Identity& left, const Identity& right) {
    return left.uid == right.uid && left.gid == right.gid &&
           left.group_count == right.group_count && left.groups == right.groups;
  }
};

// The caller, with his groups from /proc. They are remembered for a tenth of a second by process.
// One that cannot be looked at has none.
Identity identity_of(const Caller& caller);

// The same with its groups looked up anew. Whether that changed it.
bool look_up_groups_anew(Identity& identity);

}  // namespace claimfs::backends::nfs
