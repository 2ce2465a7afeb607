#include "fs/kernel_replies.h"

#include <cerrno>

namespace claimfs::fs {

struct stat to_stat(const NodeAttributes& node) {
  const Attributes& from = node.attributes;
  struct stat to {};
  to.st_ino = node.ino;
  to.st_mode = from.mode;
  to.st_nlink = from.nlink;
  to.st_uid = from.uid;
  to.st_gid = from.gid;
  to.st_rdev = from.rdev;
  to.st_size = from.size;
  to.st_blocks = static_cast<blkcnt_t>(from.blocks);
  to.st_blksize = from.block_size;
  to.st_atim = from.atime;
  to.st_mtim = from.mtime;
  to.st_ctim = from.ctime;
  return to;
}

fuse_entry_param to_entry_param(const EntryReply& entry) {
  fuse_entry_param to{};
  to.ino = entry.node;
  to.attr = to_stat(entry.attributes);
  to.attr_timeout = entry.attributes.trust_seconds;
  to.entry_timeout = entry.trust_name_seconds;
  return to;
}

namespace {

thread_local std::uint64_t replies_sent = 0;

}  // namespace

std::uint64_t replies_of_thread() { return replies_sent; }

bool took(int result) {
  ++replies_sent;
  return result == 0;
}

namespace {

void fill_open(fuse_file_info& info, const OpenReply& open) {
  info.fh = reinterpret_cast<std::uint64_t>(open.handle);
  info.backing_id = open.backing_id;
  info.direct_io = open.direct_io;
  info.keep_cache = open.keep_cache;
  info.cache_readdir = open.cache_names;
}

}  // namespace

bool refuse(fuse_req_t request, const Error& error) {
  const int code = error.code == ENOSYS ? EOPNOTSUPP : error.code;
  return took(fuse_reply_err(request, code > 0 ? code : EIO));
}

Answer<void> status_to(fuse_req_t request) {
  return [request](Result<void> result) {
    return result ? took(fuse_reply_err(request, 0)) : refuse(request, result.error());
  };
}

Answer<EntryReply> entry_to(fuse_req_t request) {
  return [request](Result<EntryReply> entry) {
    if (!entry) return refuse(request, entry.error());
    const fuse_entry_param param = to_entry_param(*entry);
    return took(fuse_reply_entry(request, &param));
  };
}

Answer<NodeAttributes> attributes_to(fuse_req_t request) {
  return [request](Result<NodeAttributes> attributes) {
    if (!attributes) return refuse(request, attributes.error());
    const struct stat stat = to_stat(*attributes);
    return took(fuse_reply_attr(request, &stat, attributes->trust_seconds));
  };
}

Answer<OpenReply> open_to(fuse_req_t request, const fuse_file_info& info) {
  return [request, info = fuse_file_info(info)](Result<OpenReply> open) mutable {
    if (!open) return refuse(request, open.error());
    fill_open(info, *open);
    return took(fuse_reply_open(request, &info));
  };
}

Answer<CreateReply> create_to(fuse_req_t request, const fuse_file_info& info) {
  return [request, info = fuse_file_info(info)](Result<CreateReply> created) mutable {
    if (!created) return refuse(request, created.error());
    fill_open(info, created->open);
    const fuse_entry_param param = to_entry_param(created->entry);
    return took(fuse_reply_create(request, &param, &info));
  };
}

Answer<std::size_t> count_to(fuse_req_t request) {
  return [request](Result<std::size_t> count) {
    return count ? took(fuse_reply_write(request, *count)) : refuse(request, count.error());
  };
}

Answer<std::span<const std::byte>> bytes_to(fuse_req_t request) {
  return [request](Result<std::span<const std::byte>> bytes) {
    if (!bytes) return refuse(request, bytes.error());
    return took(
        fuse_reply_buf(request, reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  };
}

Answer<std::string> xattr_to(fuse_req_t request, std::size_t size) {
  return [request, size](Result<std::string> value) {
    if (!value) return refuse(request, value.error());
    if (size == 0) return took(fuse_reply_xattr(request, value->size()));
    if (value->size() > size) return refuse(request, ERANGE);
    return took(fuse_reply_buf(request, value->data(), value->size()));
  };
}

bool KernelEntries::add(const std::string& name, std::uint64_t ino, unsigned char type,
                        std::uint64_t next, const EntryReply* entry) {
  char* const at = buffer_.data() + used_;
  const std::size_t room = buffer_.size() - used_;
  std::size_t needed = 0;
  if (form_ == Form::Plus) {
    // Without a node id the kernel takes name and type, and asks for the rest when it needs it.
    fuse_entry_param param{};
    if (entry) param = to_entry_param(*entry);
    param.attr.st_ino = ino;
    if (!entry) param.attr.st_mode = static_cast<mode_t>(type) << 12;
    needed =
        fuse_add_direntry_plus(request_, at, room, name.c_str(), &param, static_cast<off_t>(next));
  } else {
    struct stat stat {};
    stat.st_ino = ino;
    stat.st_mode = static_cast<mode_t>(type) << 12;
    needed = fuse_add_direntry(request_, at, room, name.c_str(), &stat, static_cast<off_t>(next));
  }
  if (needed > room) return false;
  used_ += needed;
  return true;
}

bool KernelEntries::send(const Result<void>& read) {
  if (!read) return refuse(request_, read.error());
  return took(fuse_reply_buf(request_, buffer_.data(), used_));
}

}  // namespace claimfs::fs
