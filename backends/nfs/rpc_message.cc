#include "backends/nfs/rpc_message.h"

#include <arpa/inet.h>

#include <cassert>
#include <cstring>
#include <string_view>

namespace claimfs::backends::nfs {

namespace {

// Of RFC 5531.
constexpr std::uint32_t kCall = 0;
constexpr std::uint32_t kReply = 1;
constexpr std::uint32_t kRpcVersion = 2;
constexpr std::uint32_t kAccepted = 0;
constexpr std::uint32_t kSuccess = 0;
constexpr std::uint32_t kNoAuthentication = 0;
constexpr std::uint32_t kAuthUnix = 1;
constexpr std::size_t kMostOfVerifier = 400;
constexpr std::uint32_t kLastFragment = 1U << 31U;

constexpr std::string_view kMachine = "claimfs";  // tells us apart in a server's logs

class Writer {
 public:
  explicit Writer(std::span<std::byte> to) : to_(to) {}

  void word(std::uint32_t value) {
    assert(to_.size() - at_ >= sizeof value);
    const std::uint32_t big_endian = ::htonl(value);
    std::memcpy(to_.data() + at_, &big_endian, sizeof big_endian);
    at_ += sizeof value;
  }
  void bytes(std::string_view value) {
    word(static_cast<std::uint32_t>(value.size()));
    assert(to_.size() - at_ >= padded(value.size()));
    std::memset(to_.data() + at_, 0, padded(value.size()));
    std::memcpy(to_.data() + at_, value.data(), value.size());
    at_ += padded(value.size());
  }
  std::size_t at() const { return at_; }

 private:
  std::span<std::byte> to_;
  std::size_t at_ = 0;
};

std::uint32_t word_at(const std::byte* from) {
  std::uint32_t big_endian = 0;
  std::memcpy(&big_endian, from, sizeof big_endian);
  return ::ntohl(big_endian);
}

// Words that may end before they are read.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> from, std::size_t at = 0) : from_(from), at_(at) {}

  // 0 when there is none.
  std::uint32_t word() {
    skip(sizeof(std::uint32_t));
    return is_over_ ? 0 : word_at(from_.data() + at_ - sizeof(std::uint32_t));
  }
  void skip(std::size_t bytes) {
    is_over_ = is_over_ || from_.size() < at_ || from_.size() - at_ < bytes;
    if (!is_over_) at_ += bytes;
  }
  bool is_over() const { return is_over_; }  // more was wanted than there is
  std::size_t at() const { return at_; }

 private:
  std::span<const std::byte> from_;
  std::size_t at_;
  bool is_over_ = false;
};

}  // namespace

std::size_t write_call(const RpcCall& call, std::span<std::byte> to) {
  const Identity& caller = *call.caller;
  Writer out(to);
  for (const std::uint32_t word :
       {call.xid, kCall, kRpcVersion, call.program, call.version, call.procedure, kAuthUnix})
    out.word(word);
  constexpr std::size_t kWords = 5;  // of those below that are always there
  out.word(static_cast<std::uint32_t>(padded(kMachine.size()) +
                                      (kWords + caller.group_count) * sizeof(std::uint32_t)));
  out.word(0);  // when these credentials were made: servers do not look
  out.bytes(kMachine);
  out.word(caller.uid);
  out.word(caller.gid);
  out.word(caller.group_count);
  for (const std::uint32_t group : std::span(caller.groups).first(caller.group_count))
    out.word(group);
  out.word(kNoAuthentication);
  out.word(0);
  return out.at();
}

void write_mark(const Fragment& fragment, std::byte* to) {
  Writer out({to, Fragment::kMark});
  out.word(static_cast<std::uint32_t>(fragment.size) | (fragment.is_last ? kLastFragment : 0));
}

Fragment read_mark(const std::byte* from) {
  const std::uint32_t mark = word_at(from);
  return {mark & ~kLastFragment, (mark & kLastFragment) != 0};
}

std::optional<ReplyHead> read_reply_head(std::span<const std::byte> record) {
  Reader in(record);
  ReplyHead head;
  head.xid = in.word();
  if (in.word() != kReply) return std::nullopt;
  if (in.word() != kAccepted) return in.is_over() ? std::nullopt : std::optional(head);
  in.word();  // its verifier's kind
  const std::size_t verifier = in.word();
  if (verifier > kMostOfVerifier) return std::nullopt;
  in.skip(padded(verifier));
  head.is_accepted = in.word() == kSuccess;
  head.results_at = in.at();
  return in.is_over() ? std::nullopt : std::optional(head);
}

std::optional<DataPlace> data_of_read(std::span<const std::byte> record, const ReplyHead& head) {
  constexpr std::uint32_t kOk = 0;
  constexpr std::size_t kAttributes = 84;  // a fattr3
  Reader in(record, head.results_at);
  if (!head.is_accepted || in.word() != kOk) return std::nullopt;
  if (in.word() != 0) in.skip(kAttributes);
  in.word();  // count
  in.word();  // eof
  DataPlace data;
  data.size = in.word();
  data.at = in.at();
  return in.is_over() ? std::nullopt : std::optional(data);
}

}  // namespace claimfs::backends::nfs
