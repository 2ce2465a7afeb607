#include "backends/nfs/address.h"

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {

namespace {

std::uint16_t port_of(const Fd& socket) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  return ntohs(at.sin_port);
}

// Somebody who takes what comes.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(socket_.get(), 8) == 0);
  }
  std::uint16_t port() const { return port_of(socket_); }
  Fd accepted() const { return Fd(::accept(socket_.get(), nullptr, nullptr)); }

 private:
  Fd socket_;
};

// Connects and hangs up first, as who leaves a server does. From which port that was.
std::uint16_t visit(const Listener& whom) {
  const Address loopback = addresses_of("127.0.0.1").value().front();
  Result<Fd> connecting = begin_connecting(loopback, whom.port(), true);
  REQUIRE(connecting);
  pollfd waiting{connecting->get(), POLLOUT, 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
  REQUIRE(connected(*connecting));
  const Fd other_end = whom.accepted();
  const std::uint16_t from = port_of(*connecting);
  REQUIRE(::shutdown(connecting->get(), SHUT_WR) == 0);
  char byte = 0;
  REQUIRE(::read(other_end.get(), &byte, 1) == 0);
  return from;
}

}  // namespace

TEST_CASE("reserved ports that were used a moment ago are there for other servers", "[nfs]") {
  if (::geteuid() != 0) return;
  const Listener first;
  constexpr int kMoreThanThereAre = 600;
  for (int number = 0; number < kMoreThanThereAre; ++number) visit(first);
  CHECK(visit(Listener()) < 1024);
}

TEST_CASE("the port of a universal address", "[nfs]") {
  struct Row {
    const char* address;
    std::optional<std::uint16_t> port;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"::.8.1", 2049},
           {"fe80::1%eth0.8.1", 2049},
           {"127.0.0.1.0.111", 111},
           {"0.0.0.0.255.255", 65535},
           {"", std::nullopt},
           {"::", std::nullopt},
           {"::.8", std::nullopt},
           {"::.0.0", std::nullopt},
           {"::.8.256", std::nullopt},
           {"::.8.-1", std::nullopt},
           {"::.8.", std::nullopt},
           {"::.8.1x", std::nullopt},
       }) {
    INFO(row.address);
    CHECK(port_of_universal(row.address) == row.port);
  }
}

}  // namespace claimfs::backends::nfs
