#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "volumes/access_modes.h"
#include "volumes/volume.h"

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
  // For how long names of an exclusive volume are believed at most, in a directory that the answers
  // to our own changes show to be changed by nobody else; the same of names that are not there. As
  // Linux' client does with its acdirmin (nfs(5)).
  std::chrono::seconds names_believed{30};
  std::chrono::seconds absent_names_believed{30};
};

// What the daemon's configuration says where a volume does not: `nfs: {softDeadline, connections}`.
struct NfsDefaults {
  std::chrono::milliseconds soft_deadline{30'000};
  int connections = 4;
};

// Whether it is a volume on an NFS server: an nfs source, or csi of the driver nfs.csi.k8s.io.
bool is_nfs(const Volume& volume);

// Where an NFS volume is, without brackets around its server; nothing for what is no such volume or
// says it wrongly.
std::optional<NfsSource> nfs_place(const Volume& volume);

// Whether an NFS volume is read-only for everybody: its source says so, or the last `ro` or `rw`
// among its mount options does.
bool is_read_only_nfs(const Volume& volume);

// How an NFS volume is mounted for a claim with these access modes. The error is a sentence that
// names the option. Options mean what nfs(5) says, and the last of several wins, as in mount(8);
// what is not known, or asks for something that is not kept, is refused and never passed over.
// Those that only concern speed, and those that ask for what is so anyway, are accepted
// (claimfs(1), NFS VOLUMES, lists them). Sources: nfs(5) of nfs-utils 2.6; csi-driver-nfs
// pkg/nfs/nodeserver.go for csi's attributes.
tl::expected<NfsOptions, std::string> nfs_options(const Volume& volume, AccessModes claim_modes,
                                                  const NfsDefaults& defaults);

}  // namespace claimfs::volumes
