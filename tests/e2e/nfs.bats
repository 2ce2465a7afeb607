#!/usr/bin/env bats
# Claims on NFS servers: mounted by their volumes' options, POSIX as far as NFSv3 has it, shared by access modes, and used by
# real programs.

# shellcheck disable=SC2016,SC2153  # programs of Python; A, B and HOST are mount.bash's

load mount.bash
load nfs.bash

setup_file() {
  make_workspace
  # All tests of the file have one mount.
  export HANG_LIMIT=1200
  start_nfs_server
  make_nfs_volume posix
  make_nfs_volume shared modes=ReadWriteMany
  mount_claims posix shared
  mount_node node-b
  export HOST NFS_PORT MOUNT_PORT
}
teardown_file() { drop_workspace; }

setup() {
  nfs_server_of_file
  A=$MNT/default/posix
  SHARED=$MNT/default/shared
  SHARED_B=$MNT.node-b/default/shared
  : >"$WORK/spawned"
}
teardown() { show_log_of_failure; }

# one_more NAME K=V…: a volume for this test alone, in the tree.
one_more() {
  make_nfs_volume "$@"
  wait_for 10 in_tree "default/$1"
}
# is_refused NAME MESSAGE: the first use is EIO, and the event says why.
is_refused() {
  expect_errno EIO limit 20 ls "$MNT/default/$1"
  wait_for 5 is_told FailedMount "$1" "MountVolume.SetUp failed for volume \"pv-$1\" : $2"
}
store() { limit 20 dd of="$1" status=none "${@:2}"; }

# --- what is mounted, and what is not

@test "what is written is on the server, and what the server has is read" {
  echo text | store "$A/file"
  [ "$(cat "$HOST/posix/file")" = text ]
  [ "$(limit 10 cat "$A/file")" = text ]
  limit 10 mkdir -p "$A/one/two"
  limit 10 ln -s two "$A/one/link"
  limit 10 mv "$A/file" "$A/one/link/moved"
  [ "$(cat "$HOST/posix/one/two/moved")" = text ]
  limit 10 rm -r "$A/one"
  [ ! -e "$HOST/posix/one" ]
  [ "$(limit 10 stat -f -c %S "$A")" -gt 0 ]
}

# cached_after_reopening FILE: bytes of it in the page cache when it is opened once more after reading.
cached_after_reopening() {
  limit 10 cat "$1" >/dev/null
  limit 10 fincore --bytes --noheadings --output RES "$1" | tr -d ' '
}

@test "what is cached of a file outlives its close where nobody else writes, and not on a shared claim" {
  head -c 65536 /dev/urandom | store "$A/cached"
  [ "$(cached_after_reopening "$A/cached")" = 65536 ]
  head -c 65536 /dev/urandom | store "$SHARED/cached"
  [ "$(cached_after_reopening "$SHARED/cached")" = 0 ]
  rm "$A/cached" "$SHARED/cached"
}

@test "an option that is not known is refused by its name, and the event says so" {
  one_more unknown options='hard, nosuchthing=3'
  is_refused unknown 'mount option "nosuchthing" is not known'
}

@test "NFSv4 is refused with what to use instead" {
  one_more version4 options='nfsvers=4.1'
  is_refused version4 'mount option "nfsvers=4.1": NFSv4 is not served, because the client library does not write reliably with it; use nfsvers=3, which most servers of NFSv4 offer too'
}

@test "an export that is not there, a directory that is not, and a port where nobody listens" {
  one_more missing path=/no/such/export directory=no
  expect_errno EIO limit 20 ls "$MNT/default/missing"
  wait_for 5 tells_of missing 'FailedMount .* missing MountVolume.SetUp failed for volume "pv-missing" : .*(denied|No such file)'
  one_more nowhere path="$EXPORTS/open/no/such/directory" directory=no
  expect_errno EIO limit 20 ls "$MNT/default/nowhere"
  wait_for 5 tells_of nowhere 'FailedMount .* nowhere .*(No such file|denied)'
  one_more silent port=1 mountPort=1
  expect_errno EIO limit 40 ls "$MNT/default/silent"
  wait_for 5 tells_of silent 'FailedMount .* silent .*(refused|127\.0\.0\.1)'
  one_more nobody server=no-such-host.invalid
  expect_errno EIO limit 40 ls "$MNT/default/nobody"
  wait_for 5 tells_of nobody 'FailedMount .* nobody .*no-such-host\.invalid'
}
tells_of() { events_told | grep -E -- "$2" || { events_told; return 1; }; }

@test "read-only by the source, by an option and by the server" {
  one_more by-source readOnly=true
  one_more by-option options='rw, ro'
  one_more by-server export=read_only
  local name
  for name in by-source by-option by-server; do
    expect_errno EROFS limit 10 touch "$MNT/default/$name/file"
    limit 10 ls "$MNT/default/$name"
  done
}

@test "a volume of csi-driver-nfs" {
  mkdir -p "$EXPORTS/open/share/below"
  cat >"$MANIFESTS/csi.yaml" <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-csi}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  storageClassName: manual
  claimRef: {namespace: default, name: csi}
  mountOptions: [port=$NFS_PORT, mountport=$MOUNT_PORT, nfsvers=3]
  csi:
    driver: nfs.csi.k8s.io
    volumeHandle: 127.0.0.1#share#below
    volumeAttributes: {Server: 127.0.0.1, share: $EXPORTS/open/share, subDir: below}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: csi}
spec: {accessModes: [ReadWriteMany], storageClassName: manual, resources: {requests: {storage: 1Gi}}}
YAML
  wait_for 10 in_tree default/csi
  echo text | store "$MNT/default/csi/file"
  [ "$(cat "$EXPORTS/open/share/below/file")" = text ]
}

@test "a server that wants ports below 1024 is given one" {
  one_more secured export=secure
  echo text | store "$MNT/default/secured/file"
  [ "$(cat "$EXPORTS/secure/secured/file")" = text ]
  one_more unsecured export=secure options=noresvport
  expect_errno EIO limit 20 ls "$MNT/default/unsecured"
}

# --- who is who

@test "owners and groups, and what root_squash and all_squash make of them" {
  one_more squashed export=root_squash modes=ReadWriteMany
  one_more nobodys export=all_squash modes=ReadWriteMany
  local as=(limit 10 setpriv --reuid=1234 --regid=2345 "--groups=3456,4567")
  limit 10 chmod 777 "$A"
  "${as[@]}" touch "$A/mine"
  [ "$(stat -c %u:%g "$HOST/posix/mine")" = 1234:2345 ]
  # By a supplementary group alone.
  limit 10 mkdir -m 0770 "$A/of_group"
  limit 10 chgrp 4567 "$A/of_group"
  "${as[@]}" touch "$A/of_group/file"
  expect_errno EACCES limit 10 setpriv --reuid=1234 --regid=2345 --groups=3456 touch "$A/of_group/other"

  limit 10 touch "$MNT/default/squashed/roots"
  [ "$(stat -c %u "$EXPORTS/root_squash/squashed/roots")" = 65534 ]
  "${as[@]}" touch "$MNT/default/squashed/mine"
  [ "$(stat -c %u:%g "$EXPORTS/root_squash/squashed/mine")" = 1234:2345 ]
  # Who creates it is not its owner then: nothing else is allowed to him.
  "${as[@]}" bash -c ': >"$1"' - "$MNT/default/nobodys/mine"
  expect_errno EACCES "${as[@]}" bash -c 'echo more >>"$1"' - "$MNT/default/nobodys/mine"
  [ "$(stat -c %u "$EXPORTS/all_squash/nobodys/mine")" = 65534 ]
  limit 10 rm -r "$A/mine" "$A/of_group"
}

# --- POSIX, as far as NFSv3 has it

# The same system calls with the same answers as in a plain directory. What is missing here is below, by name. All of them
# come through the tree: what is changed behind a server it notices in its own time. Not here: random_operations (punches
# holes), rename_directories (exchanges), set_times (beyond 2106 and before 1970; symlinks' own), symlinks (nfs-ganesha takes no
# targets of more than 4,093 bytes), unlinked_files (extended attributes; what is only known, and not open, goes: ESTALE).
nfs_steps() { HOST=$MNT/default same_steps "$@"; }
@test "any bytes" { nfs_steps any_bytes; }
@test "at once" { nfs_steps at_once; }
@test "change mode" { nfs_steps change_mode; }
@test "create modes" { nfs_steps create_modes; }
@test "deep directories" { nfs_steps deep_directories; }
@test "directory streams" { nfs_steps directory_streams; }
@test "hard links" { nfs_steps hard_links; }
@test "large directory" { nfs_steps large_directory posix; }
@test "long paths" { nfs_steps long_paths; }
@test "lookup" { nfs_steps lookup; }
@test "memory maps" { nfs_steps memory_maps; }
@test "open flags" { nfs_steps open_flags posix; }
@test "programs" { nfs_steps programs; }
@test "rename over open" { nfs_steps rename_over_open; }
@test "sticky directories" { nfs_steps sticky_directories; }
@test "synchronising" { nfs_steps synchronising; }
@test "two descriptors" { nfs_steps two_descriptors; }
# Nobody else has the claim, so its locks are kept here.
@test "range locks" { nfs_steps range_locks posix; }
@test "whole file locks" { nfs_steps whole_file_locks posix; }
@test "description locks" { nfs_steps description_locks posix; }

@test "what NFSv3 has no way for is refused with the errno that says so" {
  limit 20 python3 - "$A" "$SHARED" <<'PY'
import ctypes, errno, fcntl, os, sys

own, shared = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)

def refused(code, what, *arguments):
    try:
        result = what(*arguments)
    except OSError as error:
        assert error.errno == code, f"{what}{arguments}: {error}"
    else:
        assert result == -1 and ctypes.get_errno() == code, f"{what}{arguments}: {result}, {ctypes.get_errno()}"

os.chdir(own)
file = os.open("refusals", os.O_RDWR | os.O_CREAT)
os.write(file, b"text")
refused(errno.ENOTSUP, os.setxattr, "refusals", "user.a", b"b")
refused(errno.EOPNOTSUPP, os.open, ".", os.O_TMPFILE | os.O_RDWR)
refused(errno.EOPNOTSUPP, libc.fallocate, file, 1, ctypes.c_long(0), ctypes.c_long(4096))
open("other", "w").close()
# RENAME_NOREPLACE, RENAME_EXCHANGE
refused(errno.EINVAL, libc.renameat2, -100, b"refusals", -100, b"absent", 1)
refused(errno.EINVAL, libc.renameat2, -100, b"refusals", -100, b"other", 2)
# Everything counts as data: that is allowed, and truthful.
assert os.lseek(file, 0, os.SEEK_DATA) == 0 and os.lseek(file, 0, os.SEEK_HOLE) == 4
os.unlink("refusals")
os.unlink("other")
# A directory that is removed while it is open takes no changes any more.
os.mkdir("gone")
directory = os.open("gone", os.O_RDONLY)
os.rmdir("gone")
refused(errno.ESTALE, os.fchmod, directory, 0o700)
# A lock that the claim's other users would not hear of is none.
file = os.open(shared + "/lock", os.O_RDWR | os.O_CREAT)
refused(errno.ENOLCK, fcntl.lockf, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
refused(errno.ENOLCK, fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.unlink(shared + "/lock")
PY
}

@test "a file that is removed while it is open stays whole, and leaves nothing behind" {
  limit 20 python3 - "$A" <<'PY'
import os, sys
os.chdir(sys.argv[1])
file = os.open("open", os.O_RDWR | os.O_CREAT, 0o600)
os.write(file, b"before")
os.unlink("open")
assert os.listdir(".").count("open") == 0
os.pwrite(file, b"after", 6)
os.fsync(file)
assert os.pread(file, 100, 0) == b"beforeafter", os.pread(file, 100, 0)
assert os.fstat(file).st_nlink == 0
os.ftruncate(file, 3)
assert os.fstat(file).st_size == 3
PY
  wait_for 10 nothing_hidden "$HOST/posix"
}
nothing_hidden() { [ -z "$(find "$1" -name '.nfs*')" ]; }

# --- access modes, and use

@test "one node has a ReadWriteOnce claim, and another gets it when the first is done" {
  limit 10 touch "$A/held"
  spawn bash -c 'exec 7<"$1"; exec sleep 300' - "$A/held"
  wait_for 5 has_open "$SPAWNED" "$A/held"
  expect_errno EBUSY limit 10 ls "$MNT.node-b/default/posix"
  expect_text "$SPAWNED" "$(claimfs who default/posix)"
  let_go
  soon ls "$MNT.node-b/default/posix"
  soon ls "$A"
}
has_open() { [ "$(readlink "/proc/$1/fd/7")" = "$2" ]; }

@test "two nodes share a ReadWriteMany claim: what one has closed the other opens" {
  local round
  for round in 1 2 3; do
    echo "round $round" | store "$SHARED/file"
    [ "$(limit 10 cat "$SHARED_B/file")" = "round $round" ]
    echo "answer $round" | store "$SHARED_B/file"
    [ "$(limit 10 cat "$SHARED/file")" = "answer $round" ]
  done
  limit 10 mv "$SHARED/file" "$SHARED/renamed"
  wait_for 3 limit 10 test -e "$SHARED_B/renamed"
  limit 10 rm "$SHARED_B/renamed"
  wait_for 3 limit 10 test ! -e "$SHARED/renamed"
}

@test "two volumes in one directory of a server are one for the exclusive modes" {
  one_more whole
  mkdir -p "$HOST/whole/part"
  make_nfs_volume part path="$HOST/whole/part"
  wait_for 10 in_tree default/part
  wait_for 10 limit 10 test -e "$MNT.node-b/default/part"
  spawn bash -c 'cd "$1" && exec sleep 300' - "$MNT/default/whole/part"
  wait_for 5 works_in "$SPAWNED" "$MNT/default/whole/part"
  expect_errno EBUSY limit 10 ls "$MNT.node-b/default/part"
  let_go
  soon ls "$MNT.node-b/default/part"
}
works_in() { [ "$(readlink "/proc/$1/cwd")" = "$2" ]; }

@test "a claim that is deleted while it is used goes when its last user does" {
  make_nfs_volume going
  mv "$MANIFESTS/going.yaml" "$WORK"
  claimfs apply -f "$WORK/going.yaml"
  wait_for 10 in_tree default/going
  limit 10 touch "$MNT/default/going/held"
  spawn bash -c 'exec 7<"$1"; exec sleep 300' - "$MNT/default/going/held"
  wait_for 5 has_open "$SPAWNED" "$MNT/default/going/held"
  claimfs delete pvc going --wait=false
  expect_text "$SPAWNED" "$(claimfs who default/going)"
  claimfs get pvc going >/dev/null
  let_go
  wait_for 5 is_deleted going
  [ -e "$HOST/going/held" ]
}
is_deleted() { ! claimfs get pvc "$1" >/dev/null 2>&1; }

# --- programs

@test "git: a repository is cloned, committed to and checked" {
  local git=(limit 60 git -c user.name=x -c user.email=x@y -c safe.directory='*' -c gc.autoDetach=false) number
  local origin=$WORK/origin clone=$A/clone
  mkdir -p "$origin"
  "${git[@]}" -C "$origin" init -q
  for number in $(seq 200); do
    mkdir -p "$origin/d$((number % 10))"
    seq "$number" 1000 >"$origin/d$((number % 10))/$number"
  done
  head -c 3000000 /dev/urandom >"$origin/large"
  "${git[@]}" -C "$origin" add -A
  "${git[@]}" -C "$origin" commit -q -m one
  "${git[@]}" clone -q "$origin" "$clone"
  [ "$("${git[@]}" -C "$clone" status --porcelain)" = "" ]
  limit 60 diff -r --no-dereference --exclude=.git "$origin" "$clone"
  echo more | store "$clone/more"
  "${git[@]}" -C "$clone" add -A
  "${git[@]}" -C "$clone" commit -q -m two
  "${git[@]}" -C "$clone" gc -q --prune=now
  "${git[@]}" -C "$clone" fsck --strict
  "${git[@]}" -C "$HOST/posix/clone" fsck --strict
}

@test "SQLite: four writers on one database, with a rollback journal and with a log" {
  local mode writer number writers
  for mode in DELETE WAL; do
    [ "$(limit 30 sqlite3 "$A/$mode.db" "PRAGMA journal_mode=$mode")" = "${mode,,}" ]
    limit 30 sqlite3 "$A/$mode.db" 'CREATE TABLE t(writer, number)'
    writers=()
    for writer in 1 2 3 4; do
      for number in $(seq 25); do printf 'INSERT INTO t VALUES(%s, %s);\n' "$writer" "$number"; done >"$WORK/inserts.$writer"
      spawn timeout 60 sqlite3 -bail -cmd '.timeout 40000' "$A/$mode.db" ".read '$WORK/inserts.$writer'"
      writers+=("$SPAWNED")
    done
    for writer in "${writers[@]}"; do wait_for 60 is_gone "$writer"; done
    [ "$(limit 30 sqlite3 "$A/$mode.db" 'PRAGMA integrity_check' 'SELECT count(*), sum(number) FROM t')" = $'ok\n100|1300' ]
  done
  [ ! -s "$WORK/spawned" ]
}

@test "tar and rsync: a tree goes in and comes out as it was" {
  local tree=$WORK/tree number
  mkdir -p "$tree/deep/er" "$tree/odd names"
  for number in $(seq 100); do head -c $((number * 997)) /dev/urandom >"$tree/deep/$number"; done
  ln "$tree/deep/1" "$tree/deep/er/linked"
  ln -s ../deep/2 "$tree/deep/er/symlink"
  touch -d '2001-02-03 04:05:06.789' "$tree/odd names/$(printf 'new\nline')"
  chmod 4711 "$tree/deep/3"
  chown 12:34 "$tree/deep/4"
  truncate -s 10M "$tree/deep/hole"
  limit 10 mkdir "$A/tar" "$A/rsync"
  tar -C "$tree" -cf - . | limit 60 tar -C "$A/tar" -xpf -
  limit 60 rsync -aH "$tree/" "$A/rsync/"
  local copy
  for copy in tar rsync; do
    limit 60 diff -r --no-dereference "$tree" "$A/$copy"
    diff <(describe "$tree") <(describe "$A/$copy")
  done
  [ -z "$(limit 60 rsync -aHn --omit-link-times --checksum --itemize-changes "$tree/" "$A/rsync/")" ]
}
# Names with what an archive keeps of them. Not the times of symlinks: nfs-ganesha answers that it has set them, and has not.
describe() {
  limit 20 find "$1" -mindepth 1 \( -type d -printf '%P %m %U:%G\n' -o -type l -printf '%P %U:%G %l\n' -o \
    -printf '%P %m %U:%G %n %Ts\n' \) | LC_ALL=C sort
}
