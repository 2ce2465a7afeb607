#!/usr/bin/env bats
# `claimfs who`, `Used By` and the attributes attachedTo and usedBy: who holds a claim, and how. For people to read.

# shellcheck disable=SC2016,SC2153  # programs of bash and Python; SAID is mount.bash's

load mount.bash

setup() {
  make_workspace
  make_volume data modes=ReadWriteMany
  make_volume other modes=ReadWriteMany
  mount_claims data other
  DATA=$MNT/default/data
  echo text >"$DATA/file"
}

teardown() {
  show_log_of_failure
  if [ -n "${CGROUP:-}" ]; then leave_cgroup; fi
  drop_workspace
}

who() { claimfs who "default/${1:-data}" 2>/dev/null; }
attribute() { limit 10 getfattr --absolute-names --only-values -n "user.claimfs.$2" "$MNT/default/$1"; }

# The line of a process: its columns, one blank between them.
line_of() { who "${2:-data}" | awk -v pid="$1" '$3 == pid {$1 = $1; print}'; }
# is_line PID NODE POD PID COMMAND USES: once the process has come so far.
is_line() {
  wait_for 5 eval "[ \"\$(line_of $1)\" = '${*:2}' ]" || { who; return 1; }
}
nobody_uses() { [ -z "$(who "$1")" ]; }

@test "nobody: said so, and nothing printed" {
  wait_for 5 nobody_uses data
  expect_status 0 claimfs who default/data
  [ "$SAID" = "No users of default/data." ]
  [ "$(attribute data usedBy)" = '<none>' ]
  expect_text 'Used By:       <none>' "$(claimfs describe pvc data)"
  expect_status 1 claimfs who default/nothing
  expect_text 'persistentvolumeclaims "nothing" not found' "$SAID"
  expect_status 64 claimfs who data
}

@test "an open file, and of many one line" {
  spawn python3 -c 'import sys, time; files = [open(sys.argv[1]) for _ in range(500)]; time.sleep(300)' "$DATA/file"
  is_line "$SPAWNED" node-a - "$SPAWNED" python3 open "$DATA/file"
  [ "$(who | wc -l)" = 2 ]
  [ "$(who | head -1 | xargs)" = 'NODE POD PID COMMAND USES' ]
  nobody_uses other
}

@test "a file that is open and has no name any more" {
  spawn bash -c 'exec 7<"$1"; rm "$1"; exec sleep 300' - "$DATA/file"
  is_line "$SPAWNED" node-a - "$SPAWNED" sleep open "$DATA/file (deleted)"
}

@test "a map whose descriptor is closed" {
  spawn python3 -c '
import mmap, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR)
map = mmap.mmap(file, 4)
os.close(file)
for name in os.listdir("/proc/self/fd"):  # the one that Python keeps for itself
    if int(name) > 2:
        try: os.close(int(name))
        except OSError: pass
time.sleep(300)' "$DATA/file"
  is_line "$SPAWNED" node-a - "$SPAWNED" python3 map "$DATA/file"
}

@test "a working directory" {
  mkdir "$DATA/directory"
  spawn bash -c 'cd "$1" && exec sleep 300' - "$DATA/directory"
  is_line "$SPAWNED" node-a - "$SPAWNED" sleep working directory "$DATA/directory"
  [ "$(attribute data usedBy)" = "node-a pid $SPAWNED (sleep) working directory" ]
  # Paths in a claim are not everybody's: only who, which looks for itself, says them.
  expect_text "Used By:       node-a pid $SPAWNED (sleep) working directory" "$(claimfs describe pvc data)"
  expect_text "Used By:       node-a pid $SPAWNED (sleep) working directory" "$(cat "$MNT/.claimfs/claims/default/data")"
}

@test "a root" {
  spawn python3 -c 'import os, sys, time; os.chroot(sys.argv[1]); time.sleep(300)' "$DATA"
  is_line "$SPAWNED" node-a - "$SPAWNED" python3 root "$DATA"
}

@test "a root, where a whole mount namespace has no other" {
  spawn unshare -m python3 -c 'import os, sys, time; os.chroot(sys.argv[1]); os.chdir("/"); time.sleep(300)' "$DATA"
  is_line "$SPAWNED" node-a - "$SPAWNED" python3 working directory "$DATA"
}

@test "a bind mount, here and in another mount namespace" {
  mkdir "$WORK/bind" "$WORK/elsewhere"
  mount --bind "$DATA" "$WORK/bind"
  expect_text "- - - mount point $WORK/bind" "$(who | xargs -L1)"
  expect_text "Used By:       node-a mount point $WORK/bind" "$(claimfs describe pvc data)"
  umount "$WORK/bind"
  wait_for 5 nobody_uses data

  spawn unshare -m bash -c 'mount --bind "$1" "$2" && exec sleep 300' - "$DATA" "$WORK/elsewhere"
  is_line "$SPAWNED" node-a - "$SPAWNED" sleep mount point "$WORK/elsewhere"
  [ "$(who | wc -l)" = 2 ]
  nobody_uses other
}

@test "a file that is seen through a bind mount in another mount namespace" {
  mkdir "$WORK/elsewhere"
  spawn unshare -m bash -c 'mount --bind "$1" "$2" && exec 7<"$2/file" && umount -l "$2" && exec sleep 300' \
    - "$DATA" "$WORK/elsewhere"
  # The mount is in no table any more: only the kernel knows.
  local detached=$SPAWNED
  spawn unshare -m bash -c 'mount --bind "$1" "$2" && exec 7<"$2/file" && exec sleep 300' \
    - "$DATA" "$WORK/elsewhere"
  wait_for 5 eval "who | grep -q ' open '"
  [ "$(who | awk -v pid="$SPAWNED" '$3 == pid' | wc -l)" = 2 ] # the file, and the mount point
  who | grep -qE " $SPAWNED +sleep +open $DATA/file\$"
  [ -z "$(line_of "$detached")" ]
}

@test "a file that is seen from another root in another mount namespace" {
  mkdir -p "$WORK/root/in"
  spawn unshare -m bash -c 'mount --bind "$1" "$2/in" && exec python3 -c "
import os, sys, time
os.chroot(sys.argv[1])
file = open(\"/in/file\")
time.sleep(300)" "$2"' - "$DATA" "$WORK/root"
  wait_for 5 eval "who | grep -qE ' $SPAWNED +python3 +open $DATA/file\$'"
  who | grep -qE " $SPAWNED +python3 +mount point $WORK/root/in\$"
}

@test "a file that something hides, and one that the tree hides" {
  mkdir -p "$DATA/directory" "$WORK/later/default/data"
  touch "$DATA/directory/file" "$WORK/later/default/data/file"
  spawn bash -c 'exec 7<"$1" && exec sleep 300' - "$DATA/directory/file"
  local hidden=$SPAWNED
  wait_for 5 test -e "/proc/$hidden/fd/7"
  mount -t tmpfs none "$DATA/directory"
  is_line "$hidden" node-a - "$hidden" sleep open "$DATA/directory/file"
  umount "$DATA/directory"
  # Of the same name as one in the tree, and not in it.
  spawn bash -c 'exec 7<"$1" && exec sleep 300' - "$WORK/later/default/data/file"
  wait_for 5 test -e "/proc/$SPAWNED/fd/7"
  mount --bind "$MNT" "$WORK/later"
  wait_for 5 eval "[ \"\$(who | wc -l)\" = 2 ]"
  [ -z "$(line_of "$SPAWNED")" ]
  umount "$WORK/later"
}

@test "what is mounted on a directory of it" {
  mkdir "$DATA/directory"
  spawn unshare -m bash -c 'mount -t tmpfs none "$1" && exec sleep 300' - "$DATA/directory"
  is_line "$SPAWNED" node-a - "$SPAWNED" sleep mount point "$DATA/directory"
}

@test "a loop device" {
  make_volume image modes=ReadWriteMany volumeMode=Block directory=no type=File capacity=16Mi
  truncate -s 16M "$HOST/image"
  wait_for 10 in_tree default/image
  local device
  device=$(losetup -f --show "$MNT/default/image") || skip "no loop device for a file of the tree: $device"
  expect_text "node-a - - - loop device $device" "$(who image | xargs -L1)"
  losetup -d "$device"
}

@test "a descriptor that lies in a socket cannot be named" {
  spawn python3 -c '
import os, socket, sys, time
ends = socket.socketpair()
file = os.open(sys.argv[1], os.O_RDONLY)
socket.send_fds(ends[0], [b"x"], [file])
os.close(file)
open(sys.argv[2], "w").close()
time.sleep(300)' "$DATA/file" "$WORK/sent"
  wait_for 5 test -e "$WORK/sent"
  nobody_uses data
}

@test "a process with a name that a terminal would obey" {
  spawn bash -c 'cp /bin/sleep "$2"; cd "$1"; exec "$2" 300' - "$DATA" "$WORK/"$'a\e[2Jb'
  is_line "$SPAWNED" node-a - "$SPAWNED" 'a?[2Jb' working directory "$DATA"
}

# A cgroup where the kubelet would make a pod's. CGROUP is the one of version 2, wherever that is mounted.
enter_cgroup() { # PID UID
  local root
  root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
  [ -n "$root" ] || { echo "cgroup2 is not mounted"; return 1; }
  CGROUP=$root/kubepods/burstable/pod$2/container
  mkdir -p "$CGROUP" && echo "$1" >"$CGROUP/cgroup.procs"
}
leave_cgroup() {
  kill -9 "$SPAWNED" 2>/dev/null || true
  wait_for 5 is_gone "$SPAWNED" || true
  local pod=${CGROUP%/*}
  wait_for 5 rmdir "$CGROUP" || true
  rmdir "$pod" "${pod%/*}" "${pod%/*/*}" 2>/dev/null || true
}

@test "a process in a pod's cgroup is that pod's" {
  local uid said
  printf 'apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec:
  nodeName: node-b
  containers: [{name: c, image: i}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
' | claimfs apply -f -
  uid=$(claimfs get pod web -o 'jsonpath={.metadata.uid}')
  spawn bash -c 'cd "$1" && exec sleep 300' - "$DATA"
  enter_cgroup "$SPAWNED" "$uid" || skip "no cgroup can be made here"
  is_line "$SPAWNED" node-a default/web "$SPAWNED" sleep working directory "$DATA"
  expect_text "node-b default/web - - volume of the pod" "$(who | xargs -L1)"
  # Pods stand as kubectl has them, then the others.
  said=$(claimfs describe pvc data | grep -A 1 '^Used By:')
  [ "$said" = "Used By:       web
               node-a pod default/web pid $SPAWNED (sleep) working directory" ]
}

@test "who holds it without using it, and which nodes have it attached" {
  claimfs attach default/data
  NODE=node-b claimfs attach default/data
  [ "$(who | sed 1d | xargs -L1)" = "node-a - - - held by claimfs attach
node-b - - - held by claimfs attach" ]
  [ "$(attribute data attachedTo)" = node-a,node-b ]
  [ "$(attribute data usedBy)" = 'node-a held by claimfs attach; node-b held by claimfs attach' ]
  [ "$(attribute other usedBy)" = '<none>' ]
}

@test "what another machine's mount says of its users" {
  printf 'apiVersion: claimfs.io/v1alpha1
kind: Attachment
metadata: {name: pv-data@node-c}
spec: {volume: pv-data, claim: default/data, node: node-c, mount: node-c.12345678}
status: {users: pid 7 (postgres) open}
' >"$WORK/attachment.yaml"
  claimfs import -f "$WORK/attachment.yaml"
  expect_text 'node-c - - - pid 7 (postgres) open' "$(who | xargs -L1)"
  expect_text 'node-c' "$(attribute data attachedTo)"
  # Here, one looks.
  sed "s/node-c.12345678/$(claimfs get mounts -o 'jsonpath={.items[0].metadata.name}')/" "$WORK/attachment.yaml" \
    | claimfs import -f -
  wait_for 5 nobody_uses data
}

@test "a mount is an object for as long as it lasts" {
  local connection
  connection=$(connection_of "$MNT")
  [ "$(claimfs get mounts -o 'jsonpath={.items[0].spec.mountPoint} {.items[0].spec.connection} {.items[0].spec.node}')" \
    = "$MNT $connection node-a" ]
  unmount_tree
  [ "$(claimfs get mounts -o name)" = "" ]
}

@test "completion knows the claims" {
  [ "$("$CLAIMFS_BIN" __complete --config "$CONFIG" --state "$STATE" who default/d)" = default/data ]
}
