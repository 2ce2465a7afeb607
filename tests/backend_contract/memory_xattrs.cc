#include <sys/xattr.h>

#include "tests/backend_contract/memory_node.h"

namespace claimfs::tests {

void MemoryBackend::get_xattr(const Caller&, Inode& inode, std::string_view name,
                              Answer<std::string> answer) {
  serve("get_xattr", std::move(answer), [&]() -> Result<std::string> {
    const auto& xattrs = node_of(inode)->xattrs;
    const auto found = xattrs.find(name);
    if (found == xattrs.end()) return failure(ENODATA);
    return found->second;
  });
}

void MemoryBackend::set_xattr(const Caller&, Inode& inode, std::string_view name,
                              std::string_view value, int flags, bool may_keep_set_gid,
                              Answer<void> answer) {
  serve("set_xattr", std::move(answer), [&]() -> Result<void> {
    Node& node = *node_of(inode);
    const bool is_there = node.xattrs.contains(name);
    if ((flags & XATTR_CREATE) && is_there) return failure(EEXIST);
    if ((flags & XATTR_REPLACE) && !is_there) return failure(ENODATA);
    if (!may_keep_set_gid) node.attributes.mode &= ~static_cast<mode_t>(S_ISGID);
    node.xattrs.insert_or_assign(std::string(name), std::string(value));
    node.attributes.ctime = now();
    return {};
  });
}

void MemoryBackend::list_xattrs(const Caller&, Inode& inode, Answer<std::string> answer) {
  serve("list_xattrs", std::move(answer), [&]() -> Result<std::string> {
    std::string names;
    for (const auto& [name, value] : node_of(inode)->xattrs) names += name + '\0';
    return names;
  });
}

void MemoryBackend::remove_xattr(const Caller&, Inode& inode, std::string_view name,
                                 Answer<void> answer) {
  serve("remove_xattr", std::move(answer), [&]() -> Result<void> {
    auto& xattrs = node_of(inode)->xattrs;
    const auto found = xattrs.find(name);
    if (found == xattrs.end()) return failure(ENODATA);
    xattrs.erase(found);
    return {};
  });
}

void MemoryBackend::file_system_state(const Caller&, Answer<FileSystemState> answer) {
  serve("file_system_state", std::move(answer), []() -> Result<FileSystemState> {
    FileSystemState state;
    state.blocks = 1000;
    state.blocks_free = state.blocks_available = 900;
    state.used_bytes = 100 * state.block_size;
    return state;
  });
}

}  // namespace claimfs::tests
