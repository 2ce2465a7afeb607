#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "backends/nfs/identity.h"

namespace claimfs::backends::nfs {

// What stands around a call's arguments and a reply's results (RFC 5531), in records of TCP. Pure.

// A call, but for its arguments.
struct RpcCall {
  std::uint32_t xid = 0;
  std::uint32_t program = 0;
  std::uint32_t version = 0;
  std::uint32_t procedure = 0;
  const Identity* caller = nullptr;
};

constexpr std::size_t kMostOfCall = 132;  // bytes: with sixteen groups
// What comes before the arguments, to where there is room for kMostOfCall. Returns its size.
std::size_t write_call(const RpcCall& call, std::span<std::byte> to);

// A record is sent in fragments, usually one. Each has a mark before it.
struct Fragment {
  static constexpr std::size_t kMark = 4;

  std::size_t size = 0;
  bool is_last = false;
};
void write_mark(const Fragment& fragment, std::byte* to);
Fragment read_mark(const std::byte* from);

// What stands before a reply's results.
struct ReplyHead {
  std::uint32_t xid = 0;
  // Otherwise the server's RPC layer has refused the call, and there are no results.
  bool is_accepted = false;
  std::size_t results_at = 0;  // bytes from the record's beginning
};
// None: it is no reply, or ends before its results.
std::optional<ReplyHead> read_reply_head(std::span<const std::byte> record);

// Where the data of a READ stand in its reply, bytes from the record's beginning.
struct DataPlace {
  std::size_t at = 0;
  std::size_t size = 0;
};
// What comes before is enough to know. None: there are no data, or that is not known yet. Source:
// RFC 1813 3.3.6.
std::optional<DataPlace> data_of_read(std::span<const std::byte> record, const ReplyHead& head);

// With the bytes that fill it up to a whole word.
constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

}  // namespace claimfs::backends::nfs
