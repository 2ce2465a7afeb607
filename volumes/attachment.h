#pragma once

#include <string>
#include <vector>

#include "volumes/metadata.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// That a node has a claim's volume in use: claimfs.io/v1alpha1 Attachment. Either a mount's own,
// which ends with its MountRecord (but see `passthrough`), or one that `claimfs attach` made, which
// stays until it is detached. A Terminating claim stays for as long as it has one.
struct Attachment {
  Metadata metadata;
  std::string volume;
  std::string name_space;  // of the claim
  std::string claim;
  std::string claim_uid = {};
  std::string node;
  // Its MountRecord's name; empty: held by `claimfs attach`.
  std::string mount = {};
  // Of a ReadWriteOncePod claim, who has it to itself: a pod's uid, or the mount's name for those
  // on the node that are in no pod. Empty: nobody yet.
  std::string consumer = {};
  bool read_only = false;
  // Which directory stands behind the volume: its identity ("device:inode") and then those of all
  // directories above it, so that volumes inside one another are known for one. Empty: nobody else
  // can have it.
  std::vector<std::string> backing = {};

  // Who waits for it to be given up, said anew with each wait: an opaque word that nobody else has
  // used. Written by the one who waits.
  std::string asked = {};
  // The last `asked` that its mount has answered with "in use", and by whom, for people to read.
  std::string refused = {};
  std::string users = {};
  // The kernel reads and writes files of it by itself, and goes on when the mount's daemon is dead:
  // "CONNECTION BOOT IDENTITY MOUNTPOINT", the number under /sys/fs/fuse/connections that then is
  // waited for, and what tells it from a later one of that number. Empty: no file has been opened
  // so.
  std::string passthrough = {};
  // Its mount is gone, and that is waited for.
  bool is_draining = false;

  static Attachment from(const Object& object);
  bool is_of(const std::string& claim_name_space, const std::string& claim_name) const {
    return name_space == claim_name_space && claim == claim_name;
  }
  bool is_held() const { return mount.empty(); }
  // What they are named, so that a volume's stand together: neither a volume's nor a node's name
  // has an '@'.
  static std::string name_prefix(const std::string& volume) { return volume + "@"; }
  // The whole document; uid and creationTimestamp are the caller's to add.
  Json document() const;
};

}  // namespace claimfs::volumes
