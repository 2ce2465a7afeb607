#include <algorithm>
#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

// The rest of a request's data, written piece by piece and stable.
struct NfsBackend::ManyWrites {
  std::vector<std::byte> data;
  std::uint64_t offset = 0;
  std::size_t done = 0;
  bool kill_set_id = false;
  Answer<std::size_t> answer;
};

void NfsBackend::write_at(TicketPointer ticket, const FileHandle& handle,
                          std::shared_ptr<ManyWrites> writes) {
  const std::size_t size =
      std::min<std::size_t>(export_.write_size, writes->data.size() - writes->done);
  ask<Write>(
      ticket,
      [handle, writes, size](WRITE3args& to) {
        to.file = handle.raw();
        to.offset = writes->offset + writes->done;
        to.count = static_cast<count3>(size);
        to.stable = FILE_SYNC;
        to.data.data_len = static_cast<u_int>(size);
        to.data.data_val = reinterpret_cast<char*>(writes->data.data() + writes->done);
      },
      [this, ticket, handle, writes](Result<WRITE3res*> reply, bool) {
        const std::size_t before = writes->done;
        if (!reply && before > 0) {
          writes->answer.complete(before);
          return;
        }
        if (!reply) return writes->answer.refuse(reply.error());
        const WRITE3resok& written = (*reply)->WRITE3res_u.resok;
        const std::size_t taken =
            std::min<std::size_t>(written.count, writes->data.size() - before);
        if (taken == 0) return writes->answer.refuse(EIO);
        writes->done += taken;
        if (writes->done < writes->data.size()) return write_at(ticket, handle, writes);
        const auto after = told(written.file_wcc.after);
        const mode_t mode = after ? without_set_id(after->mode) : 0;
        if (!writes->kill_set_id || !after || mode == after->mode) {
          writes->answer.complete(writes->done);
          return;
        }
        // The server did not see to it: it has taken the writer for a privileged one.
        set(ticket, handle, to_sattr(mode), [writes](Result<Attributes> killed) {
          if (!killed) return writes->answer.complete(failure(killed.error()));
          return writes->answer.complete(writes->done);
        });
      });
}

void NfsBackend::write(const Caller& caller, File& file, std::span<const std::byte> data,
                       off_t offset, WriteOptions options, Answer<std::size_t> answer) {
  NfsFile& to = nfs(file);
  if (!to.is_writable()) return answer.refuse(EBADF);
  if (offset < 0) return answer.refuse(EINVAL);
  if (data.empty()) {
    answer.complete(std::size_t{0});
    return;
  }
  TicketPointer ticket = ticket_for(caller, to.opener());
  auto writes = std::make_shared<ManyWrites>(
      ManyWrites{.data = std::vector<std::byte>(data.begin(), data.end()),
                 .offset = static_cast<std::uint64_t>(offset),
                 .kill_set_id = options.kill_set_id,
                 .answer = std::move(answer)});
  if (!options.append) return write_at(ticket, to.handle(), std::move(writes));
  get(ticket, to.handle(),
      [this, ticket, handle = to.handle(), writes](Result<Attributes> attributes) {
        if (!attributes) return writes->answer.complete(failure(attributes.error()));
        writes->offset = static_cast<std::uint64_t>(attributes->size);
        write_at(ticket, handle, writes);
        return true;
      });
}

void NfsBackend::flush(const Caller&, File&, Answer<void> answer) { answer.complete({}); }

void NfsBackend::sync(const Caller&, File&, bool, Answer<void> answer) { answer.complete({}); }

}  // namespace claimfs::backends::nfs
