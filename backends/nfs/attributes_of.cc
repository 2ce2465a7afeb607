#include "backends/nfs/attributes_of.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace claimfs::backends::nfs {

namespace {

constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325;
constexpr std::uint64_t kFnvPrime = 0x100000001b3;

std::uint64_t hashed(std::uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * kFnvPrime;
  return hash;
}

// NFSv3's times are unsigned seconds (RFC 1813 2.6), from 1970 to 2106. Others become the nearest
// one, as with the kernel's client (s_time_min and s_time_max).
timespec to_timespec(const nfstime3& from) {
  return {static_cast<time_t>(from.seconds), static_cast<long>(from.nseconds)};
}

nfstime3 to_nfstime(const timespec& from) {
  nfstime3 to{};
  if (from.tv_sec < 0) return to;
  to.seconds = static_cast<u_int>(std::min<time_t>(from.tv_sec, UINT32_MAX));
  to.nseconds = from.tv_sec > UINT32_MAX ? 0 : static_cast<u_int>(from.tv_nsec);
  return to;
}

}  // namespace

std::uint64_t number_of_server(const std::string& name) { return hashed(kFnvBasis, name); }

mode_t type_of(ftype3 type) {
  switch (type) {
    case NF3REG:
      return S_IFREG;
    case NF3DIR:
      return S_IFDIR;
    case NF3BLK:
      return S_IFBLK;
    case NF3CHR:
      return S_IFCHR;
    case NF3LNK:
      return S_IFLNK;
    case NF3SOCK:
      return S_IFSOCK;
    case NF3FIFO:
      return S_IFIFO;
  }
  return S_IFREG;
}

Attributes attributes_of(const fattr3& from, std::uint64_t server) {
  Attributes to;
  to.device = hashed(server, {reinterpret_cast<const char*>(&from.fsid), sizeof from.fsid});
  to.ino = from.fileid;
  to.mode = type_of(from.type) | (from.mode & 07777);
  to.nlink = from.nlink;
  to.uid = from.uid;
  to.gid = from.gid;
  to.rdev = makedev(from.rdev.specdata1, from.rdev.specdata2);
  to.size = static_cast<off_t>(from.size);
  to.blocks = (from.used + 511) / 512;
  to.atime = to_timespec(from.atime);
  to.mtime = to_timespec(from.mtime);
  to.ctime = to_timespec(from.ctime);
  return to;
}

std::optional<Attributes> attributes_of(const post_op_attr& from, std::uint64_t server) {
  if (from.attributes_follow == 0) return std::nullopt;
  return attributes_of(from.post_op_attr_u.attributes, server);
}

std::optional<DirectoryNews::Before> before_of(const wcc_data& from) {
  if (from.before.attributes_follow == 0) return std::nullopt;
  const wcc_attr& told = from.before.pre_op_attr_u.attributes;
  return DirectoryNews::Before{
      .size = told.size, .mtime = to_timespec(told.mtime), .ctime = to_timespec(told.ctime)};
}

mode_t without_set_id(mode_t mode) {
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<mode_t>(S_ISGID);
  return mode & ~static_cast<mode_t>(S_ISUID);
}

sattr3 to_sattr(mode_t mode) {
  sattr3 to{};
  to.mode.set_it = 1;
  to.mode.set_mode3_u.mode = mode & 07777;
  return to;
}

sattr3 to_sattr(const AttributeChanges& changes) {
  sattr3 to{};
  if (changes.mode) to = to_sattr(*changes.mode);
  if (changes.uid) {
    to.uid.set_it = 1;
    to.uid.set_uid3_u.uid = *changes.uid;
  }
  if (changes.gid) {
    to.gid.set_it = 1;
    to.gid.set_gid3_u.gid = *changes.gid;
  }
  if (changes.size) {
    to.size.set_it = 1;
    to.size.set_size3_u.size = static_cast<size3>(*changes.size);
  }
  if (changes.atime) {
    to.atime.set_it = changes.atime->now ? SET_TO_SERVER_TIME : SET_TO_CLIENT_TIME;
    to.atime.set_atime_u.atime = to_nfstime(changes.atime->value);
  }
  if (changes.mtime) {
    to.mtime.set_it = changes.mtime->now ? SET_TO_SERVER_TIME : SET_TO_CLIENT_TIME;
    to.mtime.set_mtime_u.mtime = to_nfstime(changes.mtime->value);
  }
  return to;
}

}  // namespace claimfs::backends::nfs
