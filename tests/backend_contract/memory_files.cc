#include <fcntl.h>
#include <linux/falloc.h>

#include "tests/backend_contract/memory_node.h"

namespace claimfs::tests {

void MemoryBackend::open(const Caller&, Inode& inode, int flags,
                         Answer<std::unique_ptr<File>> answer) {
  serve("open", std::move(answer), [&]() -> Result<std::unique_ptr<File>> {
    return std::make_unique<MemoryFile>(*this, node_of(inode), flags);
  });
}

void MemoryBackend::create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                           int flags, Answer<Created> answer) {
  serve("create", std::move(answer), [&]() -> Result<Created> {
    Result<Entry> made = add_new(caller, parent, name, S_IFREG | (mode & 07777), nullptr);
    if (!made && made.error().code == EEXIST && (flags & O_EXCL) == 0) return failure(ESTALE);
    Entry entry = TRY(std::move(made));
    const NodePointer node = node_of(*entry.inode);
    return Created{std::move(entry), std::make_unique<MemoryFile>(*this, node, flags)};
  });
}

void MemoryBackend::create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                                   Answer<Created> answer) {
  serve("create_unnamed", std::move(answer), [&]() -> Result<Created> {
    Node* directory = TRY(directory_for(parent, ""));
    NodePointer node = new_node(caller, *directory, S_IFREG | (mode & 07777));
    node->attributes.nlink = 0;
    return Created{entry_of(node), std::make_unique<MemoryFile>(*this, node, flags)};
  });
}

void MemoryBackend::read(const Caller&, File& file, std::size_t size, off_t offset,
                         Answer<std::span<const std::byte>> answer) {
  auto bytes = std::make_unique<std::string>();
  std::string& filled = *bytes;
  // The bytes live as long as the answer is on its way.
  Answer<std::span<const std::byte>> keeping([bytes = std::move(bytes), answer = std::move(answer)](
                                                 Result<std::span<const std::byte>> read) mutable {
    return answer.complete(std::move(read));
  });
  serve("read", std::move(keeping), [&]() -> Result<std::span<const std::byte>> {
    if (!memory(file).is_readable()) return failure(EBADF);
    filled = memory(file).node->pages.read(offset, size);
    return std::as_bytes(std::span<const char>(filled));
  });
}

void MemoryBackend::write(const Caller&, File& file, std::span<const std::byte> data, off_t offset,
                          WriteOptions options, Answer<std::size_t> answer) {
  serve("write", std::move(answer), [&]() -> Result<std::size_t> {
    if (!memory(file).is_writable()) return failure(EBADF);
    Node& node = *memory(file).node;
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    node.pages.write(bytes, options.append ? node.pages.size : offset);
    if (options.kill_set_id) node.attributes.mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
    node.changed();
    return data.size();
  });
}

void MemoryBackend::flush(const Caller&, File&, Answer<void> answer) {
  serve("flush", std::move(answer), []() -> Result<void> { return {}; });
}

void MemoryBackend::sync(const Caller&, File&, bool, Answer<void> answer) {
  serve("sync", std::move(answer), []() -> Result<void> { return {}; });
}

void MemoryBackend::allocate(const Caller&, File& file, int mode, off_t offset, off_t length,
                             Answer<void> answer) {
  serve("allocate", std::move(answer), [&]() -> Result<void> {
    if (!memory(file).is_writable()) return failure(EBADF);
    if (offset < 0 || length <= 0) return failure(EINVAL);
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE &&
        mode != (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
      return failure(EOPNOTSUPP);
    Pages& pages = memory(file).node->pages;
    if (mode & FALLOC_FL_PUNCH_HOLE)
      pages.zero(offset, length);
    else
      pages.allocate(offset, length);
    if (mode == 0) pages.size = std::max(pages.size, offset + length);
    memory(file).node->changed();
    return {};
  });
}

void MemoryBackend::seek(const Caller&, File& file, off_t offset, int whence,
                         Answer<off_t> answer) {
  serve("seek", std::move(answer), [&] { return memory(file).node->pages.seek(offset, whence); });
}

void MemoryBackend::copy_range(const Caller&, File& from, off_t from_offset, File& to,
                               off_t to_offset, std::size_t length, Answer<std::size_t> answer) {
  serve("copy_range", std::move(answer), [&]() -> Result<std::size_t> {
    if (!memory(from).is_readable() || !memory(to).is_writable()) return failure(EBADF);
    const std::string bytes = memory(from).node->pages.read(from_offset, length);
    memory(to).node->pages.write(bytes, to_offset);
    memory(to).node->changed();
    return bytes.size();
  });
}

}  // namespace claimfs::tests
