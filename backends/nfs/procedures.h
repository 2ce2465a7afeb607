#pragma once

#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-portmap.h>
#include <nfsc/libnfs-raw.h>

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "backends/nfs/rpc_stream.h"

namespace claimfs::backends::nfs {

// By the registry of RFC 5531.
struct RpcProgram {
  std::uint32_t number = 0;
  std::uint32_t version = 0;
};
inline constexpr RpcProgram kNfs{NFS_PROGRAM, NFS_V3};
inline constexpr RpcProgram kMountd{MOUNT_PROGRAM, MOUNT_V3};
inline constexpr RpcProgram kPortMapper{PMAP_PROGRAM, PMAP_V2};
inline constexpr RpcProgram kPortMapper3{PMAP_PROGRAM, PMAP_V3};

// One procedure of a program: its number, and how its arguments and its reply are written. That is
// all we need of libnfs here: its generations agree about that, and not about how calls are made.
// Arguments are encoded when the call is sent, and need not live longer; a reply lives as long as
// what it was decoded from.
template <RpcProgram P, class A, class R, std::uint32_t Number, auto Encode, auto Decode>
struct Procedure {
  using Arguments = A;
  using Reply = R;
  static RpcCall call(std::uint32_t xid, const Identity& caller) {
    return {xid, P.number, P.version, Number, &caller};
  }
  static bool encode(ZDR* to, Arguments& arguments) { return Encode(to, &arguments) != 0; }
  // What the arguments end with and encode() has left out.
  static std::span<const std::byte> data(const Arguments&) { return {}; }
  static bool decode(RpcReply& from, Reply& reply) { return Decode(&from.results, &reply) != 0; }
};

using GetAttributes =
    Procedure<kNfs, GETATTR3args, GETATTR3res, NFS3_GETATTR, &zdr_GETATTR3args, &zdr_GETATTR3res>;
using SetAttributes =
    Procedure<kNfs, SETATTR3args, SETATTR3res, NFS3_SETATTR, &zdr_SETATTR3args, &zdr_SETATTR3res>;
using Lookup =
    Procedure<kNfs, LOOKUP3args, LOOKUP3res, NFS3_LOOKUP, &zdr_LOOKUP3args, &zdr_LOOKUP3res>;
using Access =
    Procedure<kNfs, ACCESS3args, ACCESS3res, NFS3_ACCESS, &zdr_ACCESS3args, &zdr_ACCESS3res>;
using ReadLink = Procedure<kNfs, READLINK3args, READLINK3res, NFS3_READLINK, &zdr_READLINK3args,
                           &zdr_READLINK3res>;
using Create =
    Procedure<kNfs, CREATE3args, CREATE3res, NFS3_CREATE, &zdr_CREATE3args, &zdr_CREATE3res>;
using MakeDirectory =
    Procedure<kNfs, MKDIR3args, MKDIR3res, NFS3_MKDIR, &zdr_MKDIR3args, &zdr_MKDIR3res>;
using MakeSymlink =
    Procedure<kNfs, SYMLINK3args, SYMLINK3res, NFS3_SYMLINK, &zdr_SYMLINK3args, &zdr_SYMLINK3res>;
using MakeNode =
    Procedure<kNfs, MKNOD3args, MKNOD3res, NFS3_MKNOD, &zdr_MKNOD3args, &zdr_MKNOD3res>;
using Remove =
    Procedure<kNfs, REMOVE3args, REMOVE3res, NFS3_REMOVE, &zdr_REMOVE3args, &zdr_REMOVE3res>;
using RemoveDirectory =
    Procedure<kNfs, RMDIR3args, RMDIR3res, NFS3_RMDIR, &zdr_RMDIR3args, &zdr_RMDIR3res>;
using Rename =
    Procedure<kNfs, RENAME3args, RENAME3res, NFS3_RENAME, &zdr_RENAME3args, &zdr_RENAME3res>;
using Link = Procedure<kNfs, LINK3args, LINK3res, NFS3_LINK, &zdr_LINK3args, &zdr_LINK3res>;
using ReadDirectoryPlus = Procedure<kNfs, READDIRPLUS3args, READDIRPLUS3res, NFS3_READDIRPLUS,
                                    &zdr_READDIRPLUS3args, &zdr_READDIRPLUS3res>;
using FileSystemState3 =
    Procedure<kNfs, FSSTAT3args, FSSTAT3res, NFS3_FSSTAT, &zdr_FSSTAT3args, &zdr_FSSTAT3res>;
using FileSystemLimits =
    Procedure<kNfs, FSINFO3args, FSINFO3res, NFS3_FSINFO, &zdr_FSINFO3args, &zdr_FSINFO3res>;
using PathLimits = Procedure<kNfs, PATHCONF3args, PATHCONF3res, NFS3_PATHCONF, &zdr_PATHCONF3args,
                             &zdr_PATHCONF3res>;
using Commit =
    Procedure<kNfs, COMMIT3args, COMMIT3res, NFS3_COMMIT, &zdr_COMMIT3args, &zdr_COMMIT3res>;

// Its data may have been received where they are wanted.
struct Read : Procedure<kNfs, READ3args, READ3res, NFS3_READ, &zdr_READ3args, &zdr_READ3res> {
  static bool decode(RpcReply& from, Reply& reply) {
    if (!from.data.data()) return Procedure::decode(from, reply);
    READ3resok& read = reply.READ3res_u.resok;
    read.data.data_len = static_cast<u_int>(from.data.size());
    read.data.data_val = reinterpret_cast<char*>(from.data.data());
    return zdr_nfsstat3(&from.results, &reply.status) != 0 && reply.status == NFS3_OK &&
           zdr_post_op_attr(&from.results, &read.file_attributes) != 0 &&
           zdr_count3(&from.results, &read.count) != 0 &&
           ::libnfs_zdr_bool(&from.results, &read.eof) != 0;
  }
};

// Its data are sent from where they are.
struct Write : Procedure<kNfs, WRITE3args, WRITE3res, NFS3_WRITE, &zdr_WRITE3args, &zdr_WRITE3res> {
  static bool encode(ZDR* to, Arguments& arguments) {
    return zdr_nfs_fh3(to, &arguments.file) != 0 && zdr_offset3(to, &arguments.offset) != 0 &&
           zdr_count3(to, &arguments.count) != 0 && zdr_stable_how(to, &arguments.stable) != 0 &&
           ::libnfs_zdr_u_int(to, &arguments.data.data_len) != 0;
  }
  static std::span<const std::byte> data(const Arguments& arguments) {
    return std::as_bytes(std::span(arguments.data.data_val, arguments.data.data_len));
  }
};

// The root handle of an export; the arguments are its path.
using Mount = Procedure<kMountd, dirpath, mountres3, MOUNT3_MNT, &zdr_dirpath, &zdr_mountres3>;

// Where a program listens, by the port mapper; 0 when it is not there.
using GetPort = Procedure<kPortMapper, pmap2_mapping, std::uint32_t, PMAP2_GETPORT,
                          &zdr_pmap2_mapping, &::libnfs_zdr_u_int>;

// The same of IPv6, of which the older protocol knows nothing: a universal address (RFC 5665),
// empty when it is not there.
using GetAddress = Procedure<kPortMapper3, pmap3_mapping, pmap3_string_result, PMAP3_GETADDR,
                             &zdr_pmap3_mapping, &zdr_pmap3_string_result>;

// Whether a reply begins with an nfsstat3: those of the NFS program.
template <class Reply>
concept HasStatus = requires(Reply reply) {
  { reply.status } -> std::convertible_to<nfsstat3>;
};

}  // namespace claimfs::backends::nfs
