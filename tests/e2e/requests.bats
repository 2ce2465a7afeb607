#!/usr/bin/env bats
# What basic operations cost: exactly these requests of the kernel, each of which is a way to the daemon and back. A request
# more for each file is not seen by any other test, and slows all users down.
#
# What the operations of these tables do is in request_counts.py.

load mount.bash
load nfs.bash

setup() { make_workspace; }

teardown() {
  show_log_of_failure
  drop_workspace
}

# costs CLAIM TABLE…: in the directory HOST of that name
costs() {
  local claim=$1
  shift
  printf '%s\n' "$@" |
    limit 120 python3 "$BATS_TEST_DIRNAME/request_counts.py" "$MNT" "$MNT/default/$claim" "$HOST/$claim" "${PATIENCE:-15}"
}

# Whose claim it is makes no difference. After a change the kernel asks anew for the attributes of its directory.
EVERYWHERE='
  create           lookup=1 create=1 flush=1 release=1 getattr=1
  mkdir            lookup=1 mkdir=1 getattr=1
  rmdir            rmdir=1 getattr=1
  stat-cold        lookup=1
  stat-later       lookup=1
  absent           lookup=1
  absent-again     lookup=1
  list             opendir=1 readdirplus=1 readdir=1 releasedir=1
  list-again-soon  getattr=1 opendir=1 readdirplus=1 readdir=1 releasedir=1
'
# The kernel keeps the names of a host directory that nobody else writes.
NAMES_KEPT='
  list-again       opendir=1 releasedir=1
'
NAMES_ASKED_FOR='
  list-again       getattr=1 opendir=1 readdirplus=1 readdir=1 releasedir=1
'
# Names are believed for a second. One who lists and looks, again and again, gets the attributes with the listing.
EXCLUSIVE='
  stat-again
  chmod            setattr=1
  rename           lookup=1 rename=1 getattr=1
  unlink           unlink=1 getattr=1
  list-and-stat    opendir=1 readdirplus=1 readdir=1 releasedir=1
'
# Names of files are not: others may have put something else in their place.
SHARED='
  stat-again       lookup=1
  chmod            lookup=1 setattr=1
  rename           lookup=2 rename=1 getattr=1
  unlink           lookup=1 unlink=1 getattr=1
  list-and-stat    opendir=1 readdirplus=1 readdir=1 releasedir=1
'
# Data does not pass through the daemon. GETXATTR: whether a capability must go, asked by the first write after the kernel
# was told of attributes.
PASSTHROUGH='
  write-new        lookup=1 create=1 getxattr=1 flush=1 release=1 getattr=1
  read             lookup=1 open=1 flush=1 release=1
  small-writes
  small-reads
  map-and-store
  write-and-fsync  fsync=1
  write-and-stat   getattr=1 getxattr=1
'
# Writes do; reading and maps do not.
ACCOUNTED='
  write-new        lookup=1 create=1 write=1 flush=1 release=1 getattr=1
  read             lookup=1 open=1 flush=1 release=1
  small-writes     write=1000
  small-reads
  map-and-store
  write-and-fsync  write=1 fsync=1
  write-and-stat   write=1 getattr=1
'
# Reads are as many as the kernel's read-ahead makes of the file's 128 KiB.
SERVED='
  write-new        lookup=1 create=1 getxattr=1 write=1 flush=1 release=1 getattr=1
  read             lookup=1 open=1 read=1 flush=1 release=1
  small-writes     write=1000
  small-reads      read<=3
  map-and-store    write=1 fsync=1
  write-and-fsync  write=1 fsync=1
  write-and-stat   write=1 getattr=1 getxattr=1
'

# What find looks at one by one, of five directories and forty files: what it is given, four directories, and the files of the
# first of these. From then on it gets attributes with the listing. A server gives them with every listing.

@test "in a host directory, where data is passed through" {
  printf 'capacity: {enforcement: none}\n' >>"$CONFIG"
  make_volume one
  make_volume many modes=ReadWriteMany
  mount_claims one many
  costs one "$EVERYWHERE" "$EXCLUSIVE" "$NAMES_KEPT" "$PASSTHROUGH" '
    find           lookup=15 opendir=5 readdirplus=5 readdir=5 releasedir=5 statfs=1
    rewrite        open=1 getxattr=2 flush=1 release=1
    read-again     open=1 flush=1 release=1'
  costs many "$EVERYWHERE" "$SHARED" "$NAMES_ASKED_FOR" "$PASSTHROUGH" '
    find           lookup=15 opendir=5 readdirplus=5 readdir=5 releasedir=5 statfs=1
    rewrite        lookup=1 open=1 getxattr=2 flush=1 release=1
    read-again     lookup=1 open=1 flush=1 release=1'
}

@test "in a host directory, where capacity is accounted" {
  make_volume one
  make_volume many modes=ReadWriteMany
  mount_claims one many
  costs one "$EVERYWHERE" "$EXCLUSIVE" "$NAMES_KEPT" "$ACCOUNTED" '
    find           lookup=15 opendir=5 readdirplus=5 readdir=5 releasedir=5 statfs=1
    rewrite        open=1 getxattr=1 write=1 flush=1 release=1
    read-again     open=1 flush=1 release=1'
  costs many "$EVERYWHERE" "$SHARED" "$NAMES_ASKED_FOR" "$ACCOUNTED" '
    find           lookup=15 opendir=5 readdirplus=5 readdir=5 releasedir=5 statfs=1
    rewrite        lookup=1 open=1 getxattr=1 write=1 flush=1 release=1
    read-again     lookup=1 open=1 flush=1 release=1'
}

@test "on an NFS server" {
  start_nfs_server
  make_nfs_volume one
  make_nfs_volume many modes=ReadWriteMany
  mount_claims one many
  costs one "$EVERYWHERE" "$EXCLUSIVE" "$NAMES_ASKED_FOR" "$SERVED" '
    find           lookup=1 opendir=5 readdirplus=5 readdir=5 releasedir=5 statfs=1
    rewrite        open=1 getxattr=2 write=1 flush=1 release=1
    read-again     open=1 flush=1 release=1'
  costs many "$EVERYWHERE" "$SHARED" "$NAMES_ASKED_FOR" "$SERVED" '
    find           lookup=1 opendir=5 readdirplus=5 readdir=5 releasedir=5 statfs=1
    rewrite        lookup=1 open=1 getxattr=2 write=1 flush=1 release=1
    read-again     lookup=1 open=1 read=1 flush=1 release=1'
}

@test "a request too many is told, and one that is missing" {
  make_volume one
  mount_claims one
  local PATIENCE=0
  costs one 'absent-twice lookup=2'
  expect_status 1 costs one 'absent-twice lookup=1' 'absent lookup=1'
  expect_text 'absent-twice: lookup: 40 instead of 20 in 20' "$SAID"
  expect_status 1 costs one 'absent-twice lookup<=1'
  expect_text 'absent-twice: lookup: 40 instead of at most 20 in 20' "$SAID"
  expect_status 1 costs one 'create lookup=1 create=1 flush=1 release=1'
  expect_text 'create: getattr: 20 instead of 0 in 20' "$SAID"
  expect_status 1 costs one 'absent lookup=1 getattr=1'
  expect_text 'absent: getattr: 0 instead of 20 in 20' "$SAID"
}
