#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace claimfs::backends::nfs {

// One of a host's addresses, without a port.
struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// The addresses of a host name, or of an address (IPv6 with or without brackets), in the order in
// which they should be tried. Blocks on the resolver. EHOSTUNREACH when there is none.
Result<std::vector<Address>> addresses_of(const std::string& host);

// The port of a universal address, whose last two parts it is: 2049 of "::.8.1" (RFC 5665). Null
// when it has none.
std::optional<std::uint16_t> port_of_universal(std::string_view address);

// Begins to connect to a TCP port, with TCP_NODELAY and keepalive.
// Reserved: from a port below 1024, where this process may have one; otherwise from any. The socket
// does not block; it is writable when connected(), or that it failed, is known.
Result<Fd> begin_connecting(const Address& to, std::uint16_t port, bool reserved);
Result<void> connected(const Fd& socket);

}  // namespace claimfs::backends::nfs
