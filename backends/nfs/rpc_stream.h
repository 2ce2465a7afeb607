#pragma once

#include <nfsc/libnfs.h>

#include <nfsc/libnfs-zdr.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backends/nfs/byte_queue.h"
#include "backends/nfs/rpc_message.h"
#include "base/fd.h"

namespace claimfs::backends::nfs {

// What a server said to a call: good until whoever is told of it returns.
struct RpcReply {
  std::uint32_t xid = 0;
  bool is_accepted = false;  // otherwise the server's RPC layer has refused the call
  ZDR results{};             // to be decoded from
  // What the results end with, where RpcReceiver::place_for() wanted it; null: it is in them.
  std::span<std::byte> data{};
};

// Takes what a stream receives.
class RpcReceiver {
 public:
  virtual ~RpcReceiver() = default;
  virtual void replied(RpcReply& reply) = 0;
  // Where the data of the READ of this number may be put, until its reply has been told or this is
  // empty: nobody waits for it, it is no READ, or it wants them where they come.
  virtual std::span<std::byte> place_for(std::uint32_t xid) = 0;
};

// One TCP connection to a server: calls go out, replies come in. The data of a WRITE are sent from
// where they are, as far as the socket takes them at once, and those of a READ received where they
// are wanted. libnfs' own connections copy both, into memory that they get for each call, and take
// four system calls for a reply where two do. Nothing here blocks. For one thread at a time.
class RpcStream {
 public:
  // `socket` is connected, and does not block.
  explicit RpcStream(Fd socket);

  int descriptor() const { return socket_.get(); }
  // What was sent waits for the socket to take more. Calls may still be sent: they wait, too.
  bool is_full() const { return is_full_; }

  // `encode(ZDR*)` writes the arguments, which end with `data`. Sent with the next push_out(), as
  // far as it has not been before. False: they cannot be encoded, and the call is not sent.
  template <class Encode>
  bool send(const RpcCall& call, Encode encode, std::span<const std::byte> data) {
    ZDR arguments = begin(call);
    const bool is_encoded = encode(&arguments);
    if (is_encoded) end(::libnfs_zdr_getpos(&arguments), data);
    ::libnfs_zdr_destroy(&arguments);
    return is_encoded;
  }
  // What the socket does not take waits: is_full(). False: the connection is broken.
  bool push_out();
  // Hands on the replies that have come. False: the connection is broken, or what comes is no RPC.
  bool receive(RpcReceiver& to);

 private:
  // The reply of a READ whose data are being received where they are wanted.
  struct Arriving {
    std::uint32_t xid = 0;
    std::vector<std::byte> head;  // the record up to the data
    std::size_t results_at = 0;
    std::size_t size = 0;  // of the data
    std::size_t got = 0;
    std::size_t padding = 0;  // that follows the data
  };

  ZDR begin(const RpcCall& call);
  void end(std::size_t arguments_size, std::span<const std::byte> data);
  void write(std::span<const std::byte> data);

  // How much came, of how much was asked for; fewer: there is no more now.
  struct Filled {
    std::size_t wanted = 0;
    std::size_t got = 0;
  };
  std::optional<Filled> fill(RpcReceiver& to);
  std::size_t wanted_ahead();
  // Hands on what is complete. False: it is no RPC.
  bool take_all(RpcReceiver& to);
  enum class Taken { One, None, Garbage };
  Taken take_one(RpcReceiver& to);
  void begin_arriving(std::span<std::byte> there, std::size_t record_size, RpcReceiver& to);
  void finish_arriving(RpcReceiver& to);
  static bool tell(std::span<std::byte> record, RpcReceiver& to);

  const Fd socket_;
  ByteQueue out_;
  std::size_t call_size_ = 0;  // of what begin() has written
  bool is_full_ = false;
  bool is_broken_ = false;

  ByteQueue in_;
  std::vector<std::byte> fragments_;  // of a record that has come in part
  std::optional<Arriving> arriving_;
  bool is_streaming_ = false;  // the last reply's data were received where they are wanted
};

}  // namespace claimfs::backends::nfs
