#!/usr/bin/env bats
# In use means in use: whatever holds anything of a claim keeps it, from other nodes and from being deleted; when the
# last use ends it is let go at once; and a claim that is only remembered, however much of it, is in nobody's use.

# shellcheck disable=SC2016,SC2153,SC2319  # programs of bash and Python; SAID is mount.bash's

load mount.bash
load in_use.bash

setup() {
  make_workspace
  printf 'log: {level: info, file: "%s"}\nreclaim: {hostPathRoots: ["%s"]}\n' "$LOG" "$HOST" >"$CONFIG"
  local claim
  for claim in data other; do
    make_volume "$claim"
    mv "$MANIFESTS/$claim.yaml" "$WORK"
    claimfs apply -f "$WORK/$claim.yaml"
    mkdir "$HOST/$claim/directory"
    echo text >"$HOST/$claim/file"
  done
  mount_claims data other
  mount_node node-b
  A=$MNT/default/data B=$MNT.node-b/default/data OTHER=$MNT/default/other
  wait_for 10 limit 10 test -e "$MNT.node-b/default/other"
}

teardown() {
  show_log_of_failure
  leave_pod_cgroups
  drop_workspace
}

@test "in use: an open file, an open directory, a file without a name, a descriptor that is only a path" {
  keep_in_use opened listed unlinked unnamed path
}

@test "in use: a map whose descriptor is closed, a program that runs, a watch of inotify" {
  keep_in_use mapped runs watched
}

@test "in use: a descriptor on its way through a socket, which no process has" {
  keep_in_use sent
}

@test "in use: a working directory, a root" {
  keep_in_use stands rooted
}

@test "in use: a bind mount in another mount namespace, or in one that only a descriptor holds, or in no table at all" {
  keep_in_use bound namespace detached
}

@test "in use: something mounted inside, the lower layer of an overlay, a loop device" {
  keep_in_use nested lower device
}

# What is not.

milliseconds() { echo $((${EPOCHREALTIME/./} / 1000)); }
# handed_over TEXT: node-b has the claim at its first attempt; says how long it took.
handed_over() {
  local before
  before=$(milliseconds)
  limit 10 touch "$B/handed-over"
  echo "# $1: handed over in $(($(milliseconds) - before)) ms" >&3
}

@test "not in use: names that were looked for and are not there, a hundred thousand in a thousand directories" {
  limit 60 python3 - "$HOST/data" "$A" <<'PY'
import os, sys
for directory in range(1000):
    os.mkdir(f"{sys.argv[1]}/{directory}")
    path = f"{sys.argv[2]}/{directory}"
    for number in range(100):
        assert not os.path.lexists(f"{path}/{number}")
PY
  handed_over "100,000 failed look-ups"
}

@test "not in use: names that were removed and renamed, in many directories" {
  limit 60 python3 - "$A" <<'PY'
import os, sys
os.chdir(sys.argv[1])
for directory in range(200):
    os.mkdir(f"{directory}")
    for number in range(10):
        open(f"{directory}/{number}", "w").close()
    for number in range(0, 5):
        os.unlink(f"{directory}/{number}")
    for number in range(5, 10):
        os.rename(f"{directory}/{number}", f"{directory}/renamed-{number}")
    os.mkdir(f"{directory}/inner")
    os.symlink("inner", f"{directory}/symlink")
    os.link(f"{directory}/renamed-7", f"{directory}/link")
    os.rmdir(f"{directory}/inner")
    if directory % 2:
        os.rename(f"{directory}", f"{directory - 1}/moved")
PY
  handed_over "4,000 names removed and renamed"
}

@test "not in use: five thousand files that were read and closed" {
  limit 60 python3 - "$HOST/data" <<'PY'
import os, sys
for number in range(5000):
    path = f"{sys.argv[1]}/{number % 50}"
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/{number}", "w") as file:
        file.write(str(number))
PY
  [ "$(limit 60 cat "$A"/*/* | wc -c)" -gt 5000 ]
  [ "$(limit 60 find "$A" -type f | wc -l)" = 5001 ]
  handed_over "5,000 files"
}

@test "not in use: what was mounted, bound, watched and run, and is no more" {
  local how
  for how in bound nested watched runs lower device; do
    hold_by "$how" "$A"
    let_go
  done
  wait_for 5 no_loop_device
  handed_over "what was mounted"
}
no_loop_device() { ! losetup -l -n -O BACK-FILE | grep -qF "$A/"; }

@test "a bind mount of a claim that nobody ever looked into keeps no other node away; what it does then is asked for" {
  mkdir "$WORK/bind"
  mount --bind "$A" "$WORK/bind"
  exec 7<"$B"
  expect_errno EBUSY limit 10 ls "$WORK/bind"
  exec 7<&-
  soon ls "$WORK/bind"
  expect_errno EBUSY limit 10 ls "$B"
  umount "$WORK/bind"
  soon ls "$B"
}

# Proofs harm nobody.

@test "what users have mounted inside a claim stays mounted, however often it is asked for" {
  # The mount point's name was absent once, has been renamed, and stands where something was removed.
  [ ! -e "$A/place" ]
  mkdir "$A/first"
  mv "$A/first" "$A/place"
  touch "$A/removed" && rm "$A/removed"
  mkdir "$A/removed"
  mount -t tmpfs none "$A/place"
  mount -t tmpfs none "$A/removed"
  mount --bind "$CONFIG" "$A/file"
  echo here >"$A/place/inside"
  expect_errno EBUSY limit 10 ls "$B"
  expect_errno EBUSY limit 10 ls "$B"
  expect_status 75 claimfs delete pvc data --timeout 1s
  [ "$(cat "$A/place/inside")" = here ]
  is_mounted "$A/place" && is_mounted "$A/removed" && is_mounted "$A/file"
  umount "$A/place"
  umount "$A/removed"
  [ "$(field pvc data .metadata.name)" = data ]
  umount "$A/file"
  wait_for 2 is_deleted data
}

@test "what is mounted in one claim is no matter to the proofs of another" {
  mount -t tmpfs none "$OTHER/directory"
  ls "$A" >/dev/null
  limit 10 ls "$B"
  is_mounted "$OTHER/directory"
  umount "$OTHER/directory"
}

@test "users are not disturbed by those who ask" {
  spawn bash -c 'cd "$1" && exec 7>>lines && for i in $(seq 20000); do echo "$i" >&7; done; exec 8<lines; exec sleep 300' - "$A"
  wait_for 5 test -s "$HOST/data/lines"
  expect_errno EBUSY limit 10 ls "$B"
  expect_errno EBUSY limit 10 ls "$B"
  wait_for 20 all_lines
}
all_lines() { [ "$(wc -l <"$HOST/data/lines")" = 20000 ]; }

# Deletion waits for the last use.

@test "a claim that is deleted while it is in use: Terminating, its users named, and they go on" {
  exec 7<>"$A/file"
  claimfs delete pvc data --wait=false
  [ -n "$(field pvc data .metadata.deletionTimestamp)" ]
  claimfs get pvc data | grep -qE '^data +Terminating '
  expect_text 'Terminating' "$(claimfs describe pvc data)"
  expect_text "pid $BASHPID (bash) open" "$(claimfs describe pvc data | grep -A 3 '^Used By')"
  # Read, write, create, list.
  [ "$(cat <&7)" = text ]
  echo more >&7
  [ "$(limit 10 cat "$A/file")" = $'text\nmore' ]
  limit 10 mkdir "$A/made"
  echo late >"$A/made/late"
  ls "$A" >/dev/null
  # Nobody new: a node that has never used it, and one that comes now.
  expect_errno EBUSY limit 10 ls "$B"
  mount_node node-c 7>&-
  wait_for 5 limit 10 test -e "$MNT.node-c/default/data"
  expect_errno EBUSY limit 10 cat "$MNT.node-c/default/data/file"
  expect_status 75 claimfs attach default/data
  exec 7<&-
  wait_for 1 is_deleted data
  wait_for 5 not_in_tree default/data
  wait_for 5 has_field pv pv-data .status.phase Released
  [ "$(cat "$HOST/data/made/late")" = late ]
}

@test "what is to be deleted with its claim is there until the last use has ended" {
  claimfs patch pv pv-data -p '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
  hold_by opened "$A"
  expect_status 75 claimfs delete pvc data --timeout 1s
  [ -e "$HOST/data/file" ]
  let_go
  wait_for 2 is_deleted data
  wait_for 5 test ! -e "$HOST/data"
}

@test "claims that nobody uses are gone at once, though every node has something of them cached" {
  ls "$A" "$OTHER" >/dev/null
  [ ! -e "$A/absent" ]
  stat "$MNT.node-b/default/other" >/dev/null
  claimfs delete pvc data other --timeout 5s
  [ "$(claimfs get pv -o 'jsonpath={.items[*].status.phase}')" = 'Released Released' ]
}

@test "a deletion waits for what only another node has, of which this one knows nothing" {
  hold_by opened "$B"
  expect_status 75 claimfs delete pvc data --timeout 1s
  [ ! -e "$MNT/default/none" ]
  let_go
  wait_for 1 is_deleted data
}

@test "an idle bind mount that was there before the deletion is a user: what it does first is let in" {
  mkdir "$WORK/bind"
  mount --bind "$A" "$WORK/bind"
  # Nothing inside was ever touched.
  [ -z "$(claimfs get attachments -o name)" ]
  expect_status 75 claimfs delete pvc data --timeout 1s
  expect_text "mount point $WORK/bind" "$(claimfs describe pvc data)"
  echo first >"$WORK/bind/first"
  [ "$(cat "$WORK/bind/file")" = text ]
  expect_errno EBUSY limit 10 ls "$B"
  umount "$WORK/bind"
  wait_for 1 is_deleted data
  [ "$(cat "$HOST/data/first")" = first ]
}

@test "a shell that had only changed into the claim before its deletion is a user" {
  spawn bash -c 'cd "$1" && : >"$2.there" && until [ -e "$2.go" ]; do sleep 0.05; done; echo mine >mine && cat file >"$2.read"; exec sleep 300' \
    - "$A" "$WORK/shell"
  wait_for 5 test -e "$WORK/shell.there"
  expect_status 75 claimfs delete pvc data --timeout 1s
  touch "$WORK/shell.go"
  wait_for 5 test -s "$WORK/shell.read"
  [ "$(cat "$HOST/data/mine")" = mine ]
  let_go
  wait_for 1 is_deleted data
}

@test "a claim whose finalizer is taken away by hand: its users stay on the old volume until they let go" {
  exec 7<>"$A/file"
  claimfs delete pvc data --wait=false
  claimfs patch pvc data -p '{"metadata":{"finalizers":null}}'
  wait_for 5 not_in_tree default/data
  [ "$(cat <&7)" = text ]
  echo more >&7
  exec 7<&-
  [ "$(cat "$HOST/data/file")" = $'text\nmore' ]
}

@test "a new claim of the name is another one: the old one's users keep what they have" {
  exec 7<>"$A/file"
  claimfs delete pvc data --wait=false
  claimfs patch pvc data -p '{"metadata":{"finalizers":null}}'
  wait_for 5 not_in_tree default/data
  mkdir "$HOST/new"
  echo new >"$HOST/new/file"
  make_volume data path="$HOST/new"
  sed -i 's/pv-data/pv-new/' "$MANIFESTS/data.yaml"
  claimfs apply -f "$MANIFESTS/data.yaml"
  wait_for 10 in_tree default/data
  [ "$(limit 10 cat "$A/file")" = new ]
  [ "$(cat <&7)" = text ]
  exec 7<&-
}

# rmdir.

@test "rmdir deletes a claim that is unused and empty: nothing else" {
  expect_errno ENOTEMPTY limit 10 rmdir "$A"
  rm -r "$HOST/data/"*
  # Used by a handle, a working directory, a bind mount; here, and on another node.
  exec 7<"$A"
  expect_errno EBUSY limit 10 rmdir "$A"
  exec 7<&-
  hold_empty "$A"
  expect_errno EBUSY limit 10 rmdir "$A"
  let_go
  hold_empty "$B"
  touch "$B/used" && rm "$B/used"
  expect_errno EBUSY limit 10 rmdir "$A"
  let_go
  [ -z "$(field pvc data .metadata.deletionTimestamp)" ]
  soon rmdir "$A"
  wait_for 2 is_deleted data
  wait_for 5 not_in_tree default/data
}
hold_empty() {
  spawn bash -c 'cd "$1" && exec sleep 300' - "$1"
  wait_for 5 stands_in "$SPAWNED" "$1"
}
stands_in() { [ "$(readlink "/proc/$1/cwd")" = "$2" ]; }

@test "rmdir of a claim that a Pod uses, or that is attached by hand, is busy" {
  rm -r "$HOST/data/"*
  printf 'apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeName: node-a
  containers: [{name: c, image: i}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
' | claimfs apply -f -
  wait_for 5 expect_text web "$(claimfs describe pvc data)"
  expect_errno EBUSY limit 10 rmdir "$A"
  claimfs delete pod web
  NODE=node-b claimfs attach default/data
  expect_errno EBUSY limit 10 rmdir "$A"
  NODE=node-b claimfs detach default/data
  soon rmdir "$A"
  wait_for 2 is_deleted data
}

# Held by hand.

@test "attach holds a claim for its node, used or not, until detach" {
  [ "$(claimfs attach default/data)" = 'default/data attached to node-a' ]
  limit 10 touch "$A/mine"
  expect_errno EBUSY limit 10 ls "$B"
  NODE=node-b expect_status 75 claimfs attach default/data
  expect_text 'node-a (claimfs attach)' "$SAID"
  # A deletion waits for it as well.
  claimfs attach default/other
  expect_status 75 claimfs delete pvc other --timeout 1s
  [ "$(claimfs detach default/data)" = 'default/data detached from node-a' ]
  soon ls "$B"
  claimfs detach default/other
  wait_for 2 is_deleted other
  expect_status 1 claimfs detach default/data
  expect_text 'is not attached to node-a' "$SAID"
}

@test "attach waits for who is about to let go, and says 75 and who it is when they do not" {
  hold_by opened "$A"
  NODE=node-b expect_status 75 claimfs attach default/data
  expect_text "node-a: pid $SPAWNED (python3) open" "$SAID"
  spawn bash -c 'sleep 0.3; kill -9 "$1"' - "$SPAWNED"
  NODE=node-b claimfs attach default/data
  expect_errno EBUSY limit 10 ls "$A"
}

@test "detach asks a mount to let go: it does when it is idle, and says 75 when it is not" {
  hold_by opened "$A"
  expect_status 75 claimfs detach default/data
  expect_text 'claimfs who default/data' "$SAID"
  let_go
  # A slow mount may still be doing what the first one asked for, which comes true now.
  wait_for 10 detached_when_idle
  [ -z "$(claimfs get attachments -o name)" ]
}
detached_when_idle() {
  limit 10 touch "$A/mine" && [ "$(claimfs detach default/data)" = 'default/data detached from node-a' ]
}

@test "detach --force takes a claim away from a node, and an event says who did it" {
  hold_by opened "$A"
  expect_errno EBUSY limit 10 ls "$B"
  claimfs detach default/data --force
  limit 10 touch "$B/mine"
  wait_for 5 events_tell '^ForceDetached 1 data detached from node node-a by force, by uid 0 on '
  # The one that lost it has to ask anew, as everybody.
  exec 7<"$B/file"
  expect_errno EBUSY limit 10 touch "$A/mine"
  exec 7<&-
  let_go
  soon touch "$A/mine"
  [ "$(limit 10 cat "$A/file")" = text ]
}
events_tell() { events_told | grep -q "$1" || { events_told; return 1; }; }
