#pragma once

#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-portmap.h>
#include <nfsc/libnfs-raw.h>

#include <cstdint>
#include <string>
#include <type_traits>

// The only place that knows which generation of libnfs this is. Up to 5 a call is queued by
// rpc_*_async, which answers 0; from 6 on by rpc_*_task, which answers the queued PDU. What keeps
// this from being a matter of names: READ and WRITE use the caller's memory there until the reply
// has come, and a call that nobody waits for any more is dropped here before that. It would have to
// be cancelled (rpc_cancel_pdu), which no Debian suite has a libnfs to try with.
#ifdef LIBNFS_API_V2
#error "libnfs 6 and later are not supported yet: they use a call's memory until its reply"
#endif

namespace claimfs::backends::nfs {

// One procedure of a program: its arguments, its reply, and how it is queued on a context. Encoded
// when it is queued, so that arguments need not live longer. False when libnfs refuses.
template <class A, class R, auto Send>
struct Procedure {
  using Arguments = A;
  using Reply = R;
  static bool queue(rpc_context* context, rpc_cb done, Arguments& arguments, void* tag) {
    return Send(context, done, &arguments, tag) == 0;
  }
};

using GetAttributes = Procedure<GETATTR3args, GETATTR3res, &rpc_nfs3_getattr_async>;
using SetAttributes = Procedure<SETATTR3args, SETATTR3res, &rpc_nfs3_setattr_async>;
using Lookup = Procedure<LOOKUP3args, LOOKUP3res, &rpc_nfs3_lookup_async>;
using Access = Procedure<ACCESS3args, ACCESS3res, &rpc_nfs3_access_async>;
using ReadLink = Procedure<READLINK3args, READLINK3res, &rpc_nfs3_readlink_async>;
using Read = Procedure<READ3args, READ3res, &rpc_nfs3_read_async>;
using Write = Procedure<WRITE3args, WRITE3res, &rpc_nfs3_write_async>;
using Create = Procedure<CREATE3args, CREATE3res, &rpc_nfs3_create_async>;
using MakeDirectory = Procedure<MKDIR3args, MKDIR3res, &rpc_nfs3_mkdir_async>;
using MakeSymlink = Procedure<SYMLINK3args, SYMLINK3res, &rpc_nfs3_symlink_async>;
using MakeNode = Procedure<MKNOD3args, MKNOD3res, &rpc_nfs3_mknod_async>;
using Remove = Procedure<REMOVE3args, REMOVE3res, &rpc_nfs3_remove_async>;
using RemoveDirectory = Procedure<RMDIR3args, RMDIR3res, &rpc_nfs3_rmdir_async>;
using Rename = Procedure<RENAME3args, RENAME3res, &rpc_nfs3_rename_async>;
using Link = Procedure<LINK3args, LINK3res, &rpc_nfs3_link_async>;
using ReadDirectoryPlus = Procedure<READDIRPLUS3args, READDIRPLUS3res, &rpc_nfs3_readdirplus_async>;
using FileSystemState3 = Procedure<FSSTAT3args, FSSTAT3res, &rpc_nfs3_fsstat_async>;
using FileSystemLimits = Procedure<FSINFO3args, FSINFO3res, &rpc_nfs3_fsinfo_async>;
using PathLimits = Procedure<PATHCONF3args, PATHCONF3res, &rpc_nfs3_pathconf_async>;
using Commit = Procedure<COMMIT3args, COMMIT3res, &rpc_nfs3_commit_async>;

// The root handle of an export; the arguments are its path.
struct Mount {
  using Arguments = const char*;
  using Reply = mountres3;
  static bool queue(rpc_context* context, rpc_cb done, Arguments& path, void* tag) {
    return rpc_mount3_mnt_async(context, done, const_cast<char*>(path), tag) == 0;
  }
};

// Where a program listens, by the port mapper; 0 when it is not there.
struct GetPort {
  struct Arguments {
    int program = 0;
    int version = 0;
  };
  using Reply = std::uint32_t;
  static bool queue(rpc_context* context, rpc_cb done, Arguments& wanted, void* tag) {
    constexpr int kTcp = 6;
    return rpc_pmap2_getport_async(context, wanted.program, wanted.version, kTcp, done, tag) == 0;
  }
};

// The same of IPv6, of which the older protocol knows nothing: a universal address (RFC 5665),
// empty when it is not there.
struct GetAddress {
  using Arguments = GetPort::Arguments;
  using Reply = pmap3_string_result;
  static bool queue(rpc_context* context, rpc_cb done, Arguments& wanted, void* tag) {
    std::string network = "tcp6";
    std::string none;
    pmap3_mapping mapping{static_cast<u_int>(wanted.program), static_cast<u_int>(wanted.version),
                          network.data(), none.data(), none.data()};
    return rpc_pmap3_getaddr_async(context, &mapping, done, tag) == 0;
  }
};

// Whether a reply begins with an nfsstat3: those of the NFS program.
template <class Reply>
concept HasStatus = requires(Reply reply) {
  { reply.status } -> std::convertible_to<nfsstat3>;
};

}  // namespace claimfs::backends::nfs
