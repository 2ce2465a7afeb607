#include <algorithm>
#include <atomic>
#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

// Memory to answer from: the caller's, or where it has none our own.
class AnswerBytes {
 public:
  AnswerBytes(std::span<std::byte> room, std::size_t size)
      : own_(room.empty() ? std::make_unique_for_overwrite<std::byte[]>(size) : nullptr),
        bytes_(room.empty() ? std::span(own_.get(), size) : room) {}

  std::span<std::byte> all() const { return bytes_; }
  // They may have been received there.
  void keep(std::span<const std::byte> received, std::size_t at) const {
    const std::span<std::byte> to = bytes_.subspan(at, received.size());
    if (to.data() != received.data()) std::ranges::copy(received, to.begin());
  }

 private:
  std::unique_ptr<std::byte[]> own_;
  std::span<std::byte> bytes_;
};

}  // namespace

// A request that takes more than one READ: its pieces are in flight together, by several
// connections. The last one that has been answered answers it.
struct NfsBackend::ManyReads {
  ManyReads(TicketPointer of, const ReadRange& range, Answer<std::span<const std::byte>> to)
      : ticket(std::move(of)),
        wanted(range),
        bytes(range.room, range.size),
        answer(std::move(to)),
        left(range.size),
        end(range.size) {}

  const TicketPointer ticket;
  const ReadRange wanted;
  const AnswerBytes bytes;
  Answer<std::span<const std::byte>> answer;
  std::atomic<std::size_t> left;  // bytes nobody knows of yet
  std::atomic<std::size_t> end;   // where the file ends, from the range's; its size: behind it
  std::atomic<int> error{0};

  // So many bytes less to wait for.
  void settle(std::size_t count) {
    if (left.fetch_sub(count) != count) return;
    if (error.load() != 0)
      answer.fail(error.load());
    else
      answer.complete(std::span<const std::byte>(bytes.all().first(end.load())));
  }
  void ends_at(std::size_t at) {
    std::size_t known = end.load();
    while (at < known && !end.compare_exchange_weak(known, at)) {
    }
  }
};

void NfsBackend::read_piece(std::shared_ptr<ManyReads> reads, std::size_t at, std::size_t size) {
  auto call = make_call<Read>(
      reads->ticket,
      [&wanted = reads->wanted, reads, at, size](READ3args& to) {
        to.file = wanted.handle.raw();
        to.offset = wanted.offset + at;
        to.count = static_cast<count3>(size);
      },
      [this, reads, at, size](Result<READ3res*> reply, bool) {
        if (!reply) {
          reads->error.store(reply.error().code);
          return reads->settle(size);
        }
        const READ3resok& read = (*reply)->READ3res_u.resok;
        const std::span<const std::byte> data = data_of(read, size);
        reads->bytes.keep(data, at);
        const std::size_t got = data.size();
        const bool is_over = read.eof != 0 || got == 0;
        if (is_over && got < size) reads->ends_at(at + got);
        if (is_over || got == size) return reads->settle(size);
        // A server may give less than it has; it is asked for the rest.
        read_piece(reads, at + got, size - got);
        reads->settle(got);
      });
  call->place = [reads, at, size] { return reads->bytes.all().subspan(at, size); };
  session_->submit_elsewhere(std::move(call));
}

void NfsBackend::read(const Caller& caller, File& file, std::size_t size, off_t offset,
                      Answer<std::span<const std::byte>> answer) {
  NfsFile& from = nfs(file);
  if (!from.is_readable()) return answer.refuse(EBADF);
  if (offset < 0) return answer.refuse(EINVAL);
  from.is_used();
  if (size == 0) {
    answer.complete(std::span<const std::byte>());
    return;
  }
  ReadRange range{from.handle(), static_cast<std::uint64_t>(offset), size};
  if (caller.room.size() >= size) range.room = caller.room.first(size);
  std::optional<std::uint64_t> writes = 0;
  if (auto written = written_files_.find(from.handle())) {
    if (auto view = written->view(range.offset, size))
      return read_over(ticket_for(caller, from.opener()), range, std::move(written),
                       std::move(*view), std::move(answer));
    writes = written->settled_writes();
  }
  if (size >= ReadSequence::kLeastBytes && writes && !caller.wants_latest) {
    if (auto ahead = from.ahead(*files_ahead_))
      return read_in_turn(caller, from.opener(), std::move(ahead), range, *writes,
                          std::move(answer));
  }
  read_from_server(ticket_for(caller, from.opener()), range, std::move(answer));
}

// What the server has, under what is newer here.
void NfsBackend::read_over(TicketPointer ticket, const ReadRange& range,
                           std::shared_ptr<WrittenFile> written, WrittenFile::View view,
                           Answer<std::span<const std::byte>> answer) {
  AnswerBytes bytes(range.room, range.size);
  if (view.overlay.is_complete) {
    written->lay_over(view, range.offset, bytes.all());
    answer.complete(std::span<const std::byte>(bytes.all()));
    return;
  }
  read_from_server(std::move(ticket), range,
                   [written = std::move(written), view = std::move(view), begin = range.offset,
                    bytes = std::move(bytes),
                    answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
                     if (!read) return answer.complete(std::move(read));
                     bytes.keep(*read, 0);
                     // What the server does not have are zeros, up to where it was written here.
                     const std::uint64_t written_here = view.end > begin ? view.end - begin : 0;
                     const std::size_t end = std::min<std::uint64_t>(
                         bytes.all().size(), std::max<std::uint64_t>(read->size(), written_here));
                     const std::span<std::byte> seen = bytes.all().first(end);
                     std::ranges::fill(seen.subspan(read->size()), std::byte{0});
                     written->lay_over(view, begin, seen);
                     return answer.complete(std::span<const std::byte>(seen));
                   });
}

void NfsBackend::read_from_server(TicketPointer ticket, const ReadRange& range,
                                  Answer<std::span<const std::byte>> answer) {
  const auto in_pieces = [this, ticket, range](Answer<std::span<const std::byte>> to) {
    auto reads = std::make_shared<ManyReads>(ticket, range, std::move(to));
    for (std::size_t at = 0; at < range.size; at += export_.read_size)
      read_piece(reads, at, std::min<std::size_t>(export_.read_size, range.size - at));
  };
  if (range.size > export_.read_size) return in_pieces(std::move(answer));
  // The usual request: it is answered from where its bytes were received.
  ask<Read>(
      ticket,
      [range](READ3args& to) {
        to.file = range.handle.raw();
        to.offset = range.offset;
        to.count = static_cast<count3>(range.size);
      },
      [range, in_pieces, answer = std::move(answer)](Result<READ3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        const READ3resok& read = (*reply)->READ3res_u.resok;
        const std::span<const std::byte> data = data_of(read, range.size);
        if (data.size() < range.size && !data.empty() && read.eof == 0)
          return in_pieces(std::move(answer));
        answer.complete(data);
      },
      range.room);
}

}  // namespace claimfs::backends::nfs
