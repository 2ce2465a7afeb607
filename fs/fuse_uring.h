#pragma once

#include <linux/fuse.h>

#include <cstdint>

namespace claimfs::fs {

// FUSE over io_uring, Linux 6.14's interface; the headers of older distributions do not have it.
// Source: include/uapi/linux/fuse.h.

// In the second word of flags of INIT, both ways.
constexpr std::uint32_t kOverIoUring = 1U << (41 - 32);

// What stands at the end of the headers, after the request's or the reply's, and the operation's.
struct RingTransfer {
  std::uint64_t flags;
  std::uint64_t commit_id;     // the kernel's name for the request
  std::uint32_t payload_size;  // of the request, then of the reply
  std::uint32_t padding;
  std::uint64_t reserved;
};

struct RingHeaders {
  char in_out[128];     // fuse_in_header, and in its place fuse_out_header
  char operation[128];  // the request's first argument, when that is the operation's own header
  RingTransfer transfer;
};

// The command's own part of a submission.
struct RingCommand {
  std::uint64_t flags;
  std::uint64_t commit_id;
  std::uint16_t queue;
  std::uint8_t padding[6];
};

constexpr std::uint32_t kRingRegister = 1;        // takes the memory, and waits for a request
constexpr std::uint32_t kRingCommitAndFetch = 2;  // takes the reply, and waits for the next one

}  // namespace claimfs::fs
