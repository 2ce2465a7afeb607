#include "backends/nfs/rpc_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "backends/thread_buffer.h"

namespace claimfs::backends::nfs {

namespace {

// The longest: two names with their directories' handles, or a name and what a link points to.
constexpr std::size_t kMostOfArguments = 16384;
// A READ of 1 MiB, or a listing, with all that comes around it.
constexpr std::size_t kMostOfRecord = (1U << 20U) + 65536;
// To copy less is cheaper than another system call, or a longer one.
constexpr std::size_t kWorthNoCopy = 16384;
constexpr std::size_t kAhead = 65536;    // received at once
constexpr std::size_t kHeadAhead = 132;  // of a READ's reply, as far as the data
constexpr int kRounds = 16;              // others want the connection, too

iovec part(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

ZDR zdr_of(std::span<std::byte> bytes, zdr_op what) {
  ZDR zdr{};
  ::libnfs_zdrmem_create(&zdr, reinterpret_cast<char*>(bytes.data()),
                         static_cast<std::uint32_t>(bytes.size()), what);
  return zdr;
}

}  // namespace

RpcStream::RpcStream(Fd socket)
    : socket_(std::move(socket)),
      out_(2 * (Fragment::kMark + kMostOfCall + kMostOfArguments)),
      in_(kAhead + kHeadAhead) {}

ZDR RpcStream::begin(const RpcCall& call) {
  const std::span<std::byte> room =
      out_.room(Fragment::kMark + kMostOfCall + kMostOfArguments).subspan(Fragment::kMark);
  call_size_ = write_call(call, room.first(kMostOfCall));
  return zdr_of(room.subspan(call_size_), ZDR_ENCODE);
}

void RpcStream::end(std::size_t arguments_size, std::span<const std::byte> data) {
  const std::size_t size = call_size_ + arguments_size;
  write_mark({.size = size + padded(data.size()), .is_last = true}, out_.room(size).data());
  out_.add(Fragment::kMark + size);
  if (!data.empty()) write(data);
}

// Behind what is in out_. What the socket does not take now is copied: whose data they are may be
// gone before it does.
void RpcStream::write(std::span<const std::byte> data) {
  constexpr std::array<std::byte, 4> kZeros{};
  const auto padding = std::span(kZeros).first(padded(data.size()) - data.size());
  std::size_t gone = 0;  // of all three
  if (data.size() >= kWorthNoCopy && !is_full_ && !is_broken_) {
    std::array parts{part(out_.bytes()), part(data), part(padding)};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    gone = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    is_full_ = gone < out_.size() + data.size() + padding.size();
  }
  const std::size_t of_out = std::min(gone, out_.size());
  out_.drop(of_out);
  gone -= of_out;
  const std::size_t of_data = std::min(gone, data.size());
  out_.append(data.subspan(of_data));
  out_.append(padding.subspan(gone - of_data));
}

bool RpcStream::push_out() {
  while (!out_.empty() && !is_broken_) {
    const ssize_t sent =
        ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
      out_.drop(static_cast<std::size_t>(sent));
    else if (errno == EAGAIN)
      break;
    else
      is_broken_ = errno != EINTR;
  }
  is_full_ = !out_.empty();
  return !is_broken_;
}

bool RpcStream::receive(RpcReceiver& to) {
  for (int round = 0; round < kRounds; ++round) {
    const std::optional<Filled> filled = fill(to);
    if (!filled || !take_all(to)) return false;
    if (filled->got < filled->wanted) return true;
  }
  return true;
}

std::optional<RpcStream::Filled> RpcStream::fill(RpcReceiver& to) {
  std::array<iovec, 2> parts{};
  std::size_t of_data = 0;
  if (arriving_) {
    of_data = arriving_->size - arriving_->got;
    const std::span<std::byte> place = to.place_for(arriving_->xid);
    parts[0] =
        part(place.empty() ? thread_buffer(of_data) : place.subspan(arriving_->got, of_data));
  }
  parts[1] = part(in_.room(wanted_ahead()));
  const ssize_t got = ::readv(socket_.get(), parts.data(), static_cast<int>(parts.size()));
  const Filled filled{of_data + parts[1].iov_len,
                      static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return filled;
  if (got <= 0) return std::nullopt;
  of_data = std::min(of_data, filled.got);
  if (arriving_) arriving_->got += of_data;
  in_.add(filled.got - of_data);
  return filled;
}

// What follows a READ's data is not received with them but for the next one's head, which then says
// where its data are wanted.
std::size_t RpcStream::wanted_ahead() {
  const std::size_t usual = is_streaming_ ? kHeadAhead : kAhead;
  if (arriving_ || in_.size() < Fragment::kMark) return usual;
  const std::size_t missing = Fragment::kMark + read_mark(in_.data()).size - in_.size();
  const bool is_head_known = in_.size() >= kHeadAhead || missing < kWorthNoCopy;
  return is_head_known ? std::max(missing, usual) : usual;
}

bool RpcStream::take_all(RpcReceiver& to) {
  for (;;) {
    if (arriving_) {
      if (arriving_->got < arriving_->size || in_.size() < arriving_->padding) return true;
      finish_arriving(to);
      continue;
    }
    const Taken taken = take_one(to);
    if (taken != Taken::One) return taken == Taken::None;
  }
}

RpcStream::Taken RpcStream::take_one(RpcReceiver& to) {
  if (in_.size() < Fragment::kMark) return Taken::None;
  const Fragment fragment = read_mark(in_.data());
  if (fragment.size > kMostOfRecord - fragments_.size()) return Taken::Garbage;
  const bool is_whole = fragment.is_last && fragments_.empty();
  const std::span<std::byte> there = in_.bytes().subspan(Fragment::kMark);
  if (there.size() < fragment.size) {
    if (is_whole && fragment.size >= kWorthNoCopy) begin_arriving(there, fragment.size, to);
    return Taken::None;
  }
  const std::span<std::byte> bytes = there.first(fragment.size);
  bool is_reply = true;
  is_streaming_ = false;
  if (is_whole) {
    is_reply = tell(bytes, to);
  } else {
    fragments_.insert(fragments_.end(), bytes.begin(), bytes.end());
    if (fragment.is_last) {
      is_reply = tell(fragments_, to);
      fragments_.clear();
    }
  }
  in_.drop(Fragment::kMark + fragment.size);
  return is_reply ? Taken::One : Taken::Garbage;
}

// When it is known where the rest is wanted. Nothing happens otherwise, and it is received here.
void RpcStream::begin_arriving(std::span<std::byte> there, std::size_t record_size,
                               RpcReceiver& to) {
  const std::optional<ReplyHead> head = read_reply_head(there);
  if (!head) return;
  const std::optional<DataPlace> data = data_of_read(there, *head);
  if (!data || record_size != data->at + padded(data->size)) return;
  const std::span<std::byte> place = to.place_for(head->xid);
  if (place.size() < data->size) return;
  const std::span<std::byte> begun =
      there.subspan(data->at, std::min(there.size() - data->at, data->size));
  std::ranges::copy(begun, place.begin());
  arriving_.emplace(Arriving{.xid = head->xid,
                             .head = {there.begin(), there.begin() + data->at},
                             .results_at = head->results_at,
                             .size = data->size,
                             .got = begun.size(),
                             .padding = padded(data->size) - data->size});
  in_.drop(Fragment::kMark + data->at + begun.size());
  is_streaming_ = true;
}

void RpcStream::finish_arriving(RpcReceiver& to) {
  Arriving arrived = *std::exchange(arriving_, std::nullopt);
  in_.drop(arrived.padding);
  const std::span<std::byte> place = to.place_for(arrived.xid);
  if (place.empty()) return;
  RpcReply reply{.xid = arrived.xid,
                 .is_accepted = true,
                 .results = zdr_of(std::span(arrived.head).subspan(arrived.results_at), ZDR_DECODE),
                 .data = place.first(arrived.size)};
  to.replied(reply);
  ::libnfs_zdr_destroy(&reply.results);
}

bool RpcStream::tell(std::span<std::byte> record, RpcReceiver& to) {
  const std::optional<ReplyHead> head = read_reply_head(record);
  if (!head) return false;
  RpcReply reply{.xid = head->xid,
                 .is_accepted = head->is_accepted,
                 .results = zdr_of(record.subspan(head->results_at), ZDR_DECODE)};
  to.replied(reply);
  ::libnfs_zdr_destroy(&reply.results);
  return true;
}

}  // namespace claimfs::backends::nfs
