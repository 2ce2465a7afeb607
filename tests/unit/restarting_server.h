#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace claimfs::tests {

// What a server does to who writes to it.
struct Chances {
  unsigned failure_percent = 0;
  unsigned restart_per_mille = 0;
  bool is_many_verifiers = false;  // several servers behind one address
};

// A server that keeps unstable data in a layer of its own, which a restart loses.
struct RestartingServer {
  std::vector<std::byte> stable;
  std::vector<std::byte> current;
  std::uint64_t verifier = 1;

  static void store(std::vector<std::byte>& file, std::uint64_t offset,
                    std::span<const std::byte> data) {
    if (file.size() < offset + data.size()) file.resize(offset + data.size());
    std::copy(data.begin(), data.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  void write(std::uint64_t offset, std::span<const std::byte> data, bool is_stable) {
    store(current, offset, data);
    if (is_stable) store(stable, offset, data);
  }
  void commit() { stable = current; }
  void truncate(std::uint64_t size) {
    stable.resize(size);
    current.resize(size);
  }
  void restart() {
    current = stable;
    ++verifier;
  }
  static std::byte byte_of(const std::vector<std::byte>& file, std::uint64_t offset) {
    return offset < file.size() ? file[offset] : std::byte{0};
  }
};

// What every byte of the file may be: the values written to it, the newest last.
class FileModel {
 public:
  static constexpr std::size_t kLongest = 8 * 1024;

  FileModel() : histories_(kLongest, History{{0, std::byte{0}}}) {}

  void write(std::uint64_t step, std::uint64_t offset, std::span<const std::byte> data) {
    for (std::size_t i = 0; i < data.size(); ++i) {
      History& history = histories_[offset + i];
      if (history.size() > 64) history.erase(history.begin(), history.begin() + 32);
      history.push_back({step, data[i]});
    }
    size = std::max<std::uint64_t>(size, offset + data.size());
  }
  void truncate(std::uint64_t to) {
    for (std::uint64_t at = to; at < kLongest; ++at) histories_[at] = {{0, std::byte{0}}};
    size = to;
    is_size_known = true;
  }
  // This version of the byte was dropped with an error: until a newer one, it is anybody's guess.
  void forget(std::uint64_t offset, std::byte version) {
    History& history = histories_[offset];
    const auto last = std::find_if(history.rbegin(), history.rend(),
                                   [&](const Version& v) { return v.value == version; });
    history.erase(history.begin(), last.base());
  }
  void forget_all_but_newest(std::uint64_t offset) {
    History& history = histories_[offset];
    if (history.size() > 1) history.erase(history.begin(), history.end() - 1);
  }
  void forget_all(std::uint64_t offset) { histories_[offset].clear(); }

  bool is_known(std::uint64_t offset) const { return !histories_[offset].empty(); }
  std::byte newest(std::uint64_t offset) const { return histories_[offset].back().value; }
  // Whether the value is what was there at that step, or has been written since.
  bool allows(std::uint64_t offset, std::byte value, std::uint64_t since) const {
    const History& history = histories_[offset];
    for (auto at = history.rbegin(); at != history.rend(); ++at) {
      if (at->value == value) return true;
      if (at->step <= since) return false;
    }
    return true;  // nothing is known of that time
  }

  std::uint64_t size = 0;
  bool is_size_known = true;

 private:
  struct Version {
    std::uint64_t step;
    std::byte value;
  };
  using History = std::vector<Version>;
  std::vector<History> histories_;
};

}  // namespace claimfs::tests
