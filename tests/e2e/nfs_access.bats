#!/usr/bin/env bats
# Access modes, use and handover of claims on NFS servers, where they could come out otherwise than with directories of the
# host: nothing passes by the daemon, and what was written may still be on its way.

# shellcheck disable=SC2016,SC2153  # programs of bash and Python; HOST is mount.bash's

load mount.bash
load nfs.bash
load changes.bash
load in_use.bash

setup_file() {
  make_workspace
  # All tests of the file have these mounts.
  export HANG_LIMIT=1200
  start_nfs_server
  mount_tree
  mount_node node-b
  export HOST NFS_PORT MOUNT_PORT
}
teardown_file() { drop_workspace; }

setup() {
  nfs_server_of_file
  : >"$WORK/spawned"
}
teardown() {
  show_log_of_failure
  leave_pod_cgroups
  rm -f "$WORK/cgroups"
}

# two_nodes NAME K=V…: a claim of the test's own on node-a and node-b; A and B are its directories.
two_nodes() {
  make_nfs_volume "$@"
  A=$MNT/default/$1 B=$MNT.node-b/default/$1
  wait_for 10 in_tree "default/$1"
  wait_for 10 limit 10 test -e "$B"
}

@test "in use, as on the host: open files, removed ones, maps, working directories, mounts" {
  MAKE_VOLUME=make_nfs_volume keep_in_use opened unlinked mapped stands bound
  # What was removed while it was open is gone with its last user.
  wait_for 5 nothing_hidden
}
nothing_hidden() { [ -z "$(find "$HOST" -name '.nfs*')" ]; }

@test "ReadOnlyMany: every change is refused with EROFS on all nodes, and changes nothing" {
  mkdir "$HOST/many"
  fill "$HOST/many"
  chmod 0777 "$HOST/many"
  state_of "$HOST/many" >"$WORK/before"
  two_nodes many modes=ReadOnlyMany
  every_change_is EROFS "$A"
  every_change_is EROFS "$B"
  [ "$(limit 10 cat "$A/file" "$B/file")" = $'text\ntext' ]
  state_of "$HOST/many" | diff "$WORK/before" -
}

@test "ReadWriteOncePod: one pod, until its last process has ended" {
  two_nodes pod modes=ReadWriteOncePod
  local first second
  first=$(new_uid) second=$(new_uid)
  make_pod_cgroup "$first" && make_pod_cgroup "$second"
  spawn_in_pod "$first" bash -c 'echo first >"$1/file" && exec sleep 300' - "$A"
  wait_for 5 test -s "$HOST/pod/file"
  expect_errno EBUSY in_pod "$second" touch "$A/new"
  expect_errno EBUSY limit 10 touch "$B/new"
  [ "$(in_pod "$first" cat "$A/file")" = first ]
  let_go
  wait_for 1 in_pod "$second" touch "$A/new"
}
new_uid() { cat /proc/sys/kernel/random/uuid; }

@test "a second mount of the same node sees what the first one writes and makes, though both cache" {
  two_nodes same
  mkdir "$MNT.again"
  NODE=node-a claimfs mount "$MNT.again"
  watch_for_hang "$MNT.again" "$HANG_LIMIT"
  local again=$MNT.again/default/same
  wait_for 10 limit 10 test -e "$again"
  echo first >"$A/file"
  mkdir "$A/made"
  expect_errno ENOENT limit 10 cat "$A/made/theirs"
  wait_for 5 reads_as first "$again/file"
  wait_for 5 limit 10 test -d "$again/made"
  # Both have it in their page caches now, open and closed.
  reads_as first "$A/file"
  echo again >"$again/file"
  echo theirs >"$again/made/theirs"
  wait_for 5 reads_as again "$A/file"
  wait_for 5 reads_as theirs "$A/made/theirs"
  claimfs unmount "$MNT.again"
}
reads_as() { [ "$(limit 10 cat "$2")" = "$1" ]; }

# spawn_unflushed FILE MEBIBYTES: a process that has written so much of it, with no fsync and no close, until it is told by
# WORK/close.
spawn_unflushed() {
  rm -f "$WORK/written" "$WORK/close"
  spawn python3 -c '
import os, sys, time
path, mebibytes, work = sys.argv[1], int(sys.argv[2]), sys.argv[3]
file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
for number in range(mebibytes * 256):
    os.pwrite(file, b"%08d" % number * 512, number * 4096)
os.pwrite(file, b"end", mebibytes << 20)
open(work + "/written", "w").close()
while not os.path.exists(work + "/close"):
    time.sleep(0.005)
os.close(file)
time.sleep(300)' "$1" "$2" "$WORK"
  wait_for 30 test -e "$WORK/written"
}
expect_whole() { # FILE MEBIBYTES
  limit 30 python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
expected = b"".join(b"%08d" % number * 512 for number in range(int(sys.argv[2]) * 256)) + b"end"
assert data == expected, (len(data), len(expected))' "$@"
}

# contend COUNT: both nodes make so many names at once, each with O_EXCL at the same moment as the other.
contend() {
  limit 120 python3 - "$A" "$B" "$1" <<'PY'
import errno, multiprocessing, os, sys
directories, count = sys.argv[1:3], int(sys.argv[3])
start = multiprocessing.Barrier(2)
def make_all(node, won):
    for number in range(count):
        start.wait(60)
        try:
            file = os.open(f"{directories[node]}/{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except OSError as error:
            assert error.errno == errno.EEXIST, error
            continue
        os.write(file, b"%d" % node)
        os.close(file)
        won.send(number)
    won.send(None)
ends = [multiprocessing.Pipe(duplex=False) for node in (0, 1)]
makers = [multiprocessing.Process(target=make_all, args=(node, ends[node][1])) for node in (0, 1)]
for maker in makers:
    maker.start()
winners = {}
for node, (end, sender) in enumerate(ends):
    sender.close()
    for number in iter(end.recv, None):
        assert number not in winners, f"{number} was made by both"
        winners[number] = node
for maker in makers:
    maker.join()
    assert maker.exitcode == 0
assert len(winners) == count, f"nobody has made {set(range(count)) - set(winners)}"
for number, node in winners.items():
    for directory in directories:
        assert open(f"{directory}/{number}").read() == str(node), number
PY
}

@test "O_EXCL: of two nodes that make a name at the same time one gets it, and it is his" {
  two_nodes exclusive modes=ReadWriteMany
  contend 300
  [ "$(find "$HOST/exclusive" -type f | wc -l)" = 300 ]
}

@test "O_EXCL: a name whose reply was lost is its maker's, and nobody else's" {
  start_fault_proxy
  two_nodes lost modes=ReadWriteMany port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT"
  limit 10 ls "$A" "$B"
  fault drop CREATE 1
  limit 20 bash -c 'set -C; echo first >"$1"' - "$A/made"
  expect_errno EEXIST limit 20 python3 -c 'import os, sys; os.open(sys.argv[1], os.O_CREAT | os.O_EXCL)' "$B/made"
  [ "$(limit 10 cat "$B/made")" = first ]
  # And who comes while it is asked again, whose own reply is lost, too.
  fault drop CREATE 8
  contend 8
  expect_text dropped=9 "$(fault count)"
}

@test "a handover: the next node sees all that the last one wrote, though none of it was ever synchronised" {
  two_nodes handed
  local mebibytes
  for mebibytes in 9 4; do
    spawn_unflushed "$A/file" "$mebibytes"
    expect_errno EBUSY limit 10 cat "$B/file"
    : >"$WORK/close"
    # Its writer lives, and is idle.
    soon test -e "$B/file"
    expect_whole "$B/file" "$mebibytes"
    expect_whole "$HOST/handed/file" "$mebibytes"
    let_go
    # And back, with another size at the same place.
    spawn_unflushed "$B/file" 2
    : >"$WORK/close"
    soon test -e "$A/file"
    expect_whole "$A/file" 2
    let_go
  done
}

@test "a writer that is killed is no loss of what it wrote: it is there for the next node" {
  two_nodes writer
  spawn_unflushed "$A/file" 8
  let_go
  soon test -e "$B/file"
  expect_whole "$B/file" 8
}

@test "an idle claim goes from node to node as fast as it is asked for, with every line" {
  two_nodes idle
  local round node
  for round in $(seq 15); do
    for node in "$A" "$B"; do
      echo "$round $node" >>"$node/file"
      [ "$(limit 10 wc -l <"$node/file")" -gt "$((round * 2 - 2))" ]
      mv "$node/file" "$node/other"
      [ ! -e "$node/file" ]
      mv "$node/other" "$node/file"
    done
  done
  [ "$(sort -u "$HOST/idle/file" | wc -l)" = 30 ]
  [ "$(grep -c 'attach=refused claim=default/idle' "$LOG")" = 0 ]
}

@test "a daemon that is killed: its claim is free at once, whatever was open and mapped" {
  two_nodes dead
  mkdir "$HOST/dead/directory"
  echo text >"$HOST/dead/file"
  mount_node node-c
  C=$MNT.node-c/default/dead
  wait_for 10 limit 10 test -e "$C"
  hold_by opened "$C"
  hold_by mapped "$C"
  expect_errno EBUSY limit 10 touch "$B/mine"
  # Nothing of it is the kernel's to go on with.
  kill -9 "$(daemon_pid "$MNT.node-c")"
  soon touch "$B/mine"
  [ "$(limit 10 cat "$B/file")" = text ]
}

@test "what is to be deleted with its claim is there until what was written is, and its last user has gone" {
  two_nodes going
  mv "$MANIFESTS/going.yaml" "$WORK"
  claimfs apply -f "$WORK/going.yaml"
  spawn_unflushed "$A/file" 4
  expect_status 75 claimfs delete pvc going --timeout 1s
  : >"$WORK/close"
  wait_for 5 is_deleted going
  # The volume is Retain.
  expect_whole "$HOST/going/file" 4
}

@test "a server that is reached by IPv6" {
  grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6 || skip "the loopback has no ::1"
  one_more_server ipv6 ::1
  make_nfs_volume six
  wait_for 10 in_tree default/six
  echo text >"$MNT/default/six/file"
  [ "$(cat "$HOST/six/file")" = text ]
  kill_nfs_server
  run_nfs_server
  [ "$(limit 10 cat "$MNT/default/six/file")" = text ]
  stop_nfs_server
}

@test "an export that has another filesystem in a sub-directory: both are served, and no file is taken for another" {
  local outer=$HOST/nested inner=$HOST/nested/inner
  # Two of a kind, so that both number their files alike.
  mkdir "$outer"
  mount -t tmpfs none "$outer"
  mkdir "$inner"
  mount -t tmpfs -o size=1M none "$inner"
  # A server looks for filesystems when it starts.
  one_more_server nested 127.0.0.1
  two_nodes nested
  echo outside >"$A/file"
  echo inside >"$A/inner/file"
  [ "$(cat "$inner/file")" = inside ]
  [ "$(limit 10 cat "$A/file" "$A/inner/file")" = $'outside\ninside' ]
  # One device, so numbers tell them apart.
  limit 20 python3 - "$A" "$inner" <<'PY'
import errno, os, sys
tree, inner = sys.argv[1:]
for number in range(50):
    for directory in ("", "inner/"):
        open(f"{tree}/{directory}{number}", "w").close()
numbers = [os.lstat(os.path.join(path, name)).st_ino for path, _, names in os.walk(tree) for name in names]
assert len(numbers) == 102 and len(set(numbers)) == 102, (len(numbers), len(set(numbers)))
assert os.lstat(tree).st_dev == os.lstat(tree + "/inner/file").st_dev
for change in (os.rename, os.link):
    try:
        change(tree + "/file", tree + "/inner/moved")
        sys.exit("moved to another filesystem")
    except OSError as error:
        assert error.errno == errno.EXDEV, error
PY
  # What is full is the inner one.
  expect_errno ENOSPC limit 20 dd if=/dev/zero of="$A/inner/large" bs=64k count=32 conv=fsync
  limit 20 dd if=/dev/zero of="$A/large" bs=64k count=32 conv=fsync status=none
  soon test -e "$B/inner/file"
  [ "$(limit 10 cat "$B/inner/file")" = inside ]
  stop_nfs_server
  umount "$inner" "$outer"
}
