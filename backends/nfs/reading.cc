#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

// A request that takes more than one READ: its pieces are in flight together, by several
// connections. The last one that has been answered answers it.
struct NfsBackend::ManyReads {
  ManyReads(TicketPointer of, const FileHandle& file, off_t from, std::size_t wanted,
            Answer<std::span<const std::byte>> to)
      : ticket(std::move(of)),
        handle(file),
        offset(static_cast<std::uint64_t>(from)),
        size(wanted),
        bytes(std::make_unique_for_overwrite<std::byte[]>(wanted)),
        answer(std::move(to)),
        left(wanted),
        end(wanted) {}

  const TicketPointer ticket;
  const FileHandle handle;
  const std::uint64_t offset;
  const std::size_t size;
  const std::unique_ptr<std::byte[]> bytes;
  Answer<std::span<const std::byte>> answer;
  std::atomic<std::size_t> left;  // bytes nobody knows of yet
  std::atomic<std::size_t> end;   // where the file ends, from offset; size: behind it
  std::atomic<int> error{0};

  // So many bytes less to wait for.
  void settle(std::size_t count) {
    if (left.fetch_sub(count) != count) return;
    if (error.load() != 0)
      answer.fail(error.load());
    else
      answer.complete(std::span<const std::byte>(bytes.get(), std::min(end.load(), size)));
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
      [handle = reads->handle, offset = reads->offset + at, size](READ3args& to) {
        to.file = handle.raw();
        to.offset = offset;
        to.count = static_cast<count3>(size);
      },
      [this, reads, at, size](Result<READ3res*> reply, bool) {
        if (!reply) {
          reads->error.store(reply.error().code);
          return reads->settle(size);
        }
        const READ3resok& read = (*reply)->READ3res_u.resok;
        const std::size_t got = std::min<std::size_t>(read.data.data_len, size);
        std::memcpy(reads->bytes.get() + at, read.data.data_val, got);
        const bool is_over = read.eof != 0 || got == 0;
        if (is_over && got < size) reads->ends_at(at + got);
        if (is_over || got == size) return reads->settle(size);
        // A server may give less than it has; it is asked for the rest.
        read_piece(reads, at + got, size - got);
        reads->settle(got);
      });
  session_->submit_elsewhere(std::move(call));
}

void NfsBackend::read(const Caller& caller, File& file, std::size_t size, off_t offset,
                      Answer<std::span<const std::byte>> answer) {
  NfsFile& from = nfs(file);
  if (!from.is_readable()) return answer.refuse(EBADF);
  if (offset < 0) return answer.refuse(EINVAL);
  if (size == 0) {
    answer.complete(std::span<const std::byte>());
    return;
  }
  TicketPointer ticket = ticket_for(caller, from.opener());
  if (auto written = written_files_.find(from.handle())) {
    if (auto view = written->view(static_cast<std::uint64_t>(offset), size))
      return read_over(std::move(ticket), from.handle(), size, offset, std::move(written),
                       std::move(*view), std::move(answer));
  }
  read_from_server(std::move(ticket), from.handle(), size, offset, std::move(answer));
}

// What the server has, under what is newer here.
void NfsBackend::read_over(TicketPointer ticket, const FileHandle& handle, std::size_t size,
                           off_t offset, std::shared_ptr<WrittenFile> written,
                           WrittenFile::View view, Answer<std::span<const std::byte>> answer) {
  const auto begin = static_cast<std::uint64_t>(offset);
  std::vector<std::byte> bytes(size);  // zeros: behind the server's end, too
  if (view.overlay.is_complete) {
    written->lay_over(view, begin, bytes);
    answer.complete(std::span<const std::byte>(bytes));
    return;
  }
  read_from_server(
      std::move(ticket), handle, size, offset,
      [written = std::move(written), view = std::move(view), begin, bytes = std::move(bytes),
       answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
        if (!read) return answer.complete(std::move(read));
        std::ranges::copy(*read, bytes.begin());
        const std::uint64_t written_here = view.end > begin ? view.end - begin : 0;
        const std::size_t end = std::min<std::uint64_t>(
            bytes.size(), std::max<std::uint64_t>(read->size(), written_here));
        const std::span<std::byte> seen(bytes.data(), end);
        written->lay_over(view, begin, seen);
        return answer.complete(std::span<const std::byte>(seen));
      });
}

void NfsBackend::read_from_server(TicketPointer ticket, const FileHandle& handle, std::size_t size,
                                  off_t offset, Answer<std::span<const std::byte>> answer) {
  const auto in_pieces = [this, ticket, handle, size,
                          offset](Answer<std::span<const std::byte>> to) {
    auto reads = std::make_shared<ManyReads>(ticket, handle, offset, size, std::move(to));
    for (std::size_t at = 0; at < size; at += export_.read_size)
      read_piece(reads, at, std::min<std::size_t>(export_.read_size, size - at));
  };
  if (size > export_.read_size) return in_pieces(std::move(answer));
  // The usual request: its bytes go from libnfs' buffer to the caller.
  ask<Read>(
      ticket,
      [handle, offset, size](READ3args& to) {
        to.file = handle.raw();
        to.offset = static_cast<offset3>(offset);
        to.count = static_cast<count3>(size);
      },
      [size, in_pieces, answer = std::move(answer)](Result<READ3res*> reply, bool) mutable {
        if (!reply) return answer.refuse(reply.error());
        const READ3resok& read = (*reply)->READ3res_u.resok;
        const std::size_t got = std::min<std::size_t>(read.data.data_len, size);
        if (got < size && got > 0 && read.eof == 0) return in_pieces(std::move(answer));
        answer.complete(std::as_bytes(std::span<const char>(read.data.data_val, got)));
      });
}

}  // namespace claimfs::backends::nfs
