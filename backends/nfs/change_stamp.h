#pragma once

#include <ctime>

#include <cstdint>

#include "backends/backend.h"

namespace claimfs::backends::nfs {

// What a change of a file or directory changes of its attributes, as far as a server's clock tells
// changes apart.
struct ChangeStamp {
  std::uint64_t size = 0;
  timespec mtime{};
  timespec ctime{};

  friend bool operator==(const ChangeStamp& left, const ChangeStamp& right) {
    return left.size == right.size && left.mtime.tv_sec == right.mtime.tv_sec &&
           left.mtime.tv_nsec == right.mtime.tv_nsec && left.ctime.tv_sec == right.ctime.tv_sec &&
           left.ctime.tv_nsec == right.ctime.tv_nsec;
  }
};

inline ChangeStamp stamp_of(const Attributes& attributes) {
  return {static_cast<std::uint64_t>(attributes.size), attributes.mtime, attributes.ctime};
}

}  // namespace claimfs::backends::nfs
