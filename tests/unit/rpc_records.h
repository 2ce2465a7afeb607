#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/nfs/rpc_stream.h"
#include "tests/unit/catch.h"

namespace claimfs::tests {

// Words as they stand in a record, most significant byte first.
class Words {
 public:
  Words& operator<<(std::uint32_t word) {
    const std::uint32_t big_endian = ::htonl(word);
    bytes_.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
    return *this;
  }
  Words& operator<<(const std::string& bytes) {  // padded
    bytes_ += bytes;
    bytes_.resize(backends::nfs::padded(bytes_.size()));
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

constexpr std::uint32_t kLastFragment = 1U << 31U;

inline std::string record(const Words& words) {
  return (Words() << (kLastFragment | static_cast<std::uint32_t>(words.bytes().size()))).bytes() +
         words.bytes();
}

// An accepted reply, up to its results.
inline Words accepted(std::uint32_t xid) { return Words() << xid << 1 << 0 << 0 << 0 << 0; }

inline std::string small_reply(std::uint32_t xid, std::uint32_t result) {
  return record(accepted(xid) << result);
}

inline std::string read_reply(std::uint32_t xid, const std::string& data,
                              bool has_attributes = true) {
  Words words = accepted(xid) << 0 << (has_attributes ? 1 : 0);
  if (has_attributes) words << std::string(84, 'a');
  const auto size = static_cast<std::uint32_t>(data.size());
  return record(words << size << 1 << size << data);
}

// No byte like its neighbours'.
inline std::string varied(std::size_t size, unsigned seed) {
  std::string text(size, ' ');
  for (std::size_t at = 0; at < size; ++at)
    text[at] = static_cast<char>('A' + (at * 131 + (at >> 8U) * 7 + seed) % 50);
  return text;
}

// A stream, and the server's end of its socket.
struct Ends {
  Ends() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    server = Fd(ends[1]);
    stream.emplace(Fd(ends[0]));
  }
  void say(std::string_view bytes) const {
    REQUIRE(::write(server.get(), bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
  }
  // Whole, in pieces no larger than so, each of which is received before the next one is said.
  bool say_in_pieces(std::string_view bytes, std::size_t most, backends::nfs::RpcReceiver& to) {
    for (std::size_t at = 0; at < bytes.size(); at += most) {
      say(bytes.substr(at, most));
      if (!stream->receive(to)) return false;
    }
    return true;
  }
  std::string heard() const {
    std::string all;
    char part[65536];
    for (ssize_t got = 0; (got = ::read(server.get(), part, sizeof part)) > 0;)
      all.append(part, static_cast<std::size_t>(got));
    return all;
  }

  Fd server;
  std::optional<backends::nfs::RpcStream> stream;
};

}  // namespace claimfs::tests
