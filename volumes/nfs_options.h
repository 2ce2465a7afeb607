#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace claimfs::volumes {

// Where an NFS volume is and how it is mounted: everything that its client needs to know.
struct NfsOptions {
  std::string server;  // a host name or an address; IPv6 without brackets
  std::string path;    // of the export or a directory in it; absolute
  bool read_only = false;
  // A request waits for its server for ever; otherwise for soft_deadline, and is ETIMEDOUT then.
  bool hard = true;
  std::optional<std::chrono::milliseconds> soft_deadline{};  // set when not hard
  std::chrono::milliseconds timeout{60'000};                 // until a request is sent again
  int retransmissions = 2;                                   // until the server counts as down
  int connections = 4;                                       // 1 to 16
  std::uint32_t read_size = 1U << 20U;                       // bytes in a READ at most
  std::uint32_t write_size = 1U << 20U;                      // bytes in a WRITE at most
  std::optional<std::uint16_t> port{};                       // absent: the port mapper knows
  std::optional<std::uint16_t> mount_port{};                 // absent: the port mapper knows
  bool reserved_port =
      true;                  // connect from a port below 1024, as exports that are `secure` want it
  bool local_locks = false;  // locks need not reach the server: nobody else has the volume
  bool exclusive = false;    // nobody else changes the volume: what is known of it stays true
};

}  // namespace claimfs::volumes
