#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace claimfs::bench {

// What both sides of the comparison do: the raw client and the one by system calls.

constexpr std::size_t kMiB = 1U << 20U;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kRandomReads = 8000;
constexpr std::size_t kFilesInDirectory = 100;

struct Load {
  std::size_t files = 2000;
  std::size_t size_mib = 256;

  // Offsets of different pages of the large file, the same ones everywhere.
  std::vector<std::uint64_t> random_offsets() const {
    std::vector<std::uint64_t> offsets(size_mib * (kMiB / kPage));
    std::iota(offsets.begin(), offsets.end(), 0);
    std::shuffle(offsets.begin(), offsets.end(), std::mt19937_64(1));
    offsets.resize(std::min(offsets.size(), kRandomReads));
    for (std::uint64_t& offset : offsets) offset *= kPage;
    return offsets;
  }
  static std::string name(std::size_t number) { return "file-" + std::to_string(number); }
};

// A member of the archive that is unpacked.
struct Member {
  std::string path;  // relative; parents come first
  bool is_directory = false;
  std::size_t size = 0;
};

// Reads lines of "d PATH" and "f SIZE PATH".
inline std::vector<Member> read_members(const std::string& file) {
  std::ifstream from(file);
  std::vector<Member> members;
  for (std::string type; from >> type;) {
    Member& member = members.emplace_back();
    member.is_directory = type == "d";
    if (!member.is_directory) from >> member.size;
    from >> member.path;
  }
  return members;
}

// The parent's path, empty at the top, and the last component.
inline std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace claimfs::bench
