#include "backends/nfs/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <random>

namespace claimfs::backends::nfs {

namespace {

// As bindresvport(3): above what well-known services use.
constexpr std::uint16_t kFirstReserved = 600;
constexpr std::uint16_t kLastReserved = 1023;

void set_port(Address& address, std::uint16_t port) {
  if (address.bytes.ss_family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(address.bytes).sin6_port = htons(port);
  else
    reinterpret_cast<sockaddr_in&>(address.bytes).sin_port = htons(port);
}

void set_option(const Fd& socket, int level, int option, int value) {
  ::setsockopt(socket.get(), level, option, &value, sizeof value);
}

// Where each search begins: two of a process should not meet, nor find what one has just left.
std::uint16_t some_reserved_port() {
  thread_local std::minstd_rand numbers{std::random_device{}()};
  return std::uniform_int_distribution<std::uint16_t>(kFirstReserved, kLastReserved)(numbers);
}

Result<Fd> connect_from(const Address& to, const Address* from) {
  Fd socket(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return failure_from_errno();
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  // A peer that vanished without a word is noticed after a minute.
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  if (from) {
    // A closed connection keeps its port for a minute; there are some hundreds only, and it is in
    // nobody's way who connects to another server, or port.
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&from->bytes), from->size) != 0)
      return failure_from_errno();
  }
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) != 0 &&
      errno != EINPROGRESS)
    return failure_from_errno();
  return socket;
}

}  // namespace

Result<std::vector<Address>> addresses_of(const std::string& host) {
  const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string name = has_brackets ? host.substr(1, host.size() - 2) : host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0)
    return failure(EHOSTUNREACH,
                   "mount.nfs: Failed to resolve server " + name + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> freed(found, &::freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* one = found; one; one = one->ai_next) {
    Address address;
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    addresses.push_back(address);
  }
  if (addresses.empty()) return failure(EHOSTUNREACH);
  return addresses;
}

std::optional<std::uint16_t> port_of_universal(std::string_view address) {
  unsigned port = 0;
  for (unsigned place : {1U, 256U}) {
    const std::size_t dot = address.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    unsigned part = 0;
    const char* const end = address.data() + address.size();
    const auto read = std::from_chars(address.data() + dot + 1, end, part);
    if (read.ec != std::errc{} || read.ptr != end || part > 255) return std::nullopt;
    port += part * place;
    address = address.substr(0, dot);
  }
  if (port == 0) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

Result<Fd> begin_connecting(const Address& to, std::uint16_t port, bool reserved) {
  Address target = to;
  set_port(target, port);
  if (!reserved) return connect_from(target, nullptr);
  Address from;
  from.bytes.ss_family = to.bytes.ss_family;
  from.size = to.size;
  constexpr int kPorts = kLastReserved - kFirstReserved + 1;
  const int first = some_reserved_port() - kFirstReserved;
  for (int step = 0; step < kPorts; ++step) {
    set_port(from, static_cast<std::uint16_t>(kFirstReserved + (first + step) % kPorts));
    Result<Fd> connecting = connect_from(target, &from);
    if (connecting) return connecting;
    const int error = connecting.error().code;
    if (error == EACCES) break;  // not privileged
    // EADDRNOTAVAIL: the same pair of ports was in use a moment ago.
    if (error != EADDRINUSE && error != EADDRNOTAVAIL) return connecting;
  }
  return connect_from(target, nullptr);
}

Result<void> connected(const Fd& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
    return failure_from_errno();
  if (error != 0) return failure(error);
  return {};
}

}  // namespace claimfs::backends::nfs
