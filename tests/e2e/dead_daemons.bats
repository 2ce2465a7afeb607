#!/usr/bin/env bats
# What a daemon that is killed leaves behind: its claims are free at once, unless the kernel itself goes on with files
# of them; then exactly as long as it does. And what one that ends in order leaves: nothing.

# shellcheck disable=SC2016,SC2153  # programs of bash and Python; A, B, C and SAID are mount.bash's

load mount.bash

setup() {
  make_workspace
  mkdir -p "$HOST/data/directory"
  echo text >"$HOST/data/file"
  cluster -1 data
}

third_node() {
  mount_node node-c
  C=$MNT.node-c/default/data
  wait_for 10 limit 10 test -e "$C"
}

teardown() {
  show_log_of_failure
  drop_workspace
}

# kill_daemon [MOUNT-POINT]: as the out-of-memory killer does; the mount stays in the table.
kill_daemon() {
  kill -9 "$(daemon_pid "${1:-$MNT}")"
  wait_for 5 is_dead "${1:-$MNT}"
}
is_dead() { no_daemon "$1" && { is_not_mounted "$1" || expect_errno ENOTCONN limit 10 ls "$1"; }; }

# The nodes that have the claim "data", and whether they are draining.
attached() {
  claimfs get attachments -o 'jsonpath={range .items[?(@.spec.volume=="pv-data")]}{.spec.node} {.status.draining}{"\n"}{end}'
}
is_attached() { [ "$(attached)" = "$1" ] || { attached; return 1; }; }

@test "a daemon that is killed: the others go on, and its claims are free at once" {
  third_node
  make_volume other
  wait_for 5 limit 10 test -e "$MNT.node-b/default/other"
  ls "$A" >/dev/null
  is_attached 'node-a '
  exec 7>"$MNT.node-b/default/other/file"
  kill_daemon
  # Its mount is still in the table, and answers nobody.
  is_mounted
  expect_errno ENOTCONN limit 10 ls "$MNT"
  soon touch "$B/mine"
  is_mounted
  echo on >&7
  exec 7>&-
  [ "$(cat "$HOST/other/file")" = on ]
  limit 10 ls "$C" >/dev/null
  wait_for 5 is_attached 'node-c '
  [ "$(claimfs get mounts -o 'jsonpath={.items[*].spec.node}')" = 'node-b node-c' ]
}

@test "a daemon that is killed while its claim had been used with passthrough, and everything is closed: free at once" {
  hold_by opened "$A"
  let_go
  [ "$(limit 10 cat "$A/file")" = text ]
  kill_daemon
  soon touch "$B/mine"
}

@test "a daemon that is killed while others waited for its claim: they get it" {
  hold_by listed "$A"
  expect_errno EBUSY limit 10 ls "$B"
  # An open directory is nothing that the kernel could go on with by itself.
  kill_daemon
  soon touch "$B/mine"
}

drains_until_closed() { # HOW
  hold_by "$1" "$A"
  kill_daemon
  wait_for 5 is_attached 'node-a true'
  expect_errno EBUSY limit 10 touch "$B/mine"
  wait_for 5 is_attached 'node-a true'
  grep -F 'attach=refused claim=default/data' "$LOG" | grep -qF 'holder="node-a'
  # It is out of the table by now, and in use all the same.
  wait_for 5 is_not_mounted
  expect_errno EBUSY limit 10 touch "$B/mine"
  let_go
  soon touch "$B/mine"
  is_attached 'node-b '
}

@test "a file that is open by passthrough outlives its daemon: the claim drains until it is closed, and not before" {
  drains_until_closed opened
}

@test "a shared map outlives its daemon, and its descriptor: the claim drains until it is gone" {
  drains_until_closed mapped
}

@test "what the kernel still writes after its daemon's death arrives, and nobody else has the claim meanwhile" {
  spawn python3 -c '
import mmap, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR)
map = mmap.mmap(file, 4)
open(sys.argv[2] + ".there", "w").close()
while not os.path.exists(sys.argv[2] + ".go"): time.sleep(0.02)
map[0:4] = b"mine"
open(sys.argv[2] + ".done", "w").close()
time.sleep(300)' "$A/file" "$WORK/map"
  wait_for 5 test -e "$WORK/map.there"
  kill_daemon
  expect_errno EBUSY limit 10 cat "$B/file"
  touch "$WORK/map.go"
  wait_for 5 test -e "$WORK/map.done"
  expect_errno EBUSY limit 10 cat "$B/file"
  let_go
  soon cat "$B/file"
  [ "$(limit 10 cat "$B/file")" = mine ]
}

@test "a claim that drains is not deleted before it has" {
  rm "$MANIFESTS/data.yaml"
  wait_for 5 claimfs wait pvc data --for=delete --timeout 5s
  mkdir "$HOST/kept"
  make_volume kept
  mv "$MANIFESTS/kept.yaml" "$WORK"
  claimfs apply -f "$WORK/kept.yaml"
  wait_for 5 in_tree default/kept
  touch "$HOST/kept/file"
  hold_by opened "$MNT/default/kept"
  kill_daemon
  expect_status 75 claimfs delete pvc kept --timeout 1s
  let_go
  wait_for 2 claimfs wait pvc kept --for=delete --timeout 1s
}

@test "detach --force frees a claim that drains" {
  hold_by opened "$A"
  kill_daemon
  expect_errno EBUSY limit 10 touch "$B/mine"
  wait_for 5 is_attached 'node-a true'
  claimfs detach default/data --force
  soon touch "$B/mine"
  wait_for 5 eval "events_told | grep -q '^ForceDetached 1 data detached from node node-a by force'"
}

@test "a new mount takes the dead one's place, and has the claim" {
  ls "$A" >/dev/null
  kill_daemon
  expect_status 1 claimfs mount "$MNT"
  expect_text 'is the mount of a claimfs daemon that died' "$SAID"
  claimfs unmount "$MNT"
  mount_tree
  wait_for 5 in_tree default/data
  hold_by opened "$A"
  expect_errno EBUSY limit 10 ls "$B"
  let_go
  unmount_tree
}

@test "a new mount in a dead one's place, whose connection still drains, waits for it like any other" {
  # The same node: exclusive modes admit it beside itself.
  hold_by opened "$A"
  kill_daemon
  wait_for 5 is_not_mounted
  mount_tree
  wait_for 5 in_tree default/data
  [ "$(limit 10 cat "$A/file")" = text ]
  expect_errno EBUSY limit 10 touch "$B/mine"
  let_go
  # It was idle here, and drained there.
  soon touch "$B/mine"
}

@test "a connection's number that is given again does no harm" {
  hold_by opened "$A"
  local connection i
  connection=$(connection_of "$MNT")
  kill_daemon
  wait_for 5 is_not_mounted
  let_go
  # The lowest free number is given: the dead one's.
  for i in 1 2; do
    mount_tree
    wait_for 5 in_tree default/data
    if [ "$i" = 1 ]; then echo "# the dead mount's connection was $connection, the new one's is $(connection_of "$MNT")" >&3; fi
    hold_by opened "$A"
    expect_errno EBUSY limit 10 touch "$B/mine"
    let_go
    soon touch "$B/mine"
    unmount_tree
  done
}

@test "an orderly unmount frees everything, at once" {
  third_node
  limit 10 cat "$A/file"
  claimfs attach default/data
  claimfs detach default/data
  unmount_tree
  is_attached ''
  limit 10 touch "$B/mine"
  claimfs unmount "$MNT.node-b"
  is_attached ''
  limit 10 touch "$C/mine"
}

@test "a mount that is taken away under its users drains: they have what they have open until they close it" {
  hold_by opened "$A"
  umount -l "$MNT"
  expect_errno EBUSY limit 10 touch "$B/mine"
  let_go
  soon touch "$B/mine"
}

@test "a connection that is aborted frees what is not open, as a daemon that is killed" {
  hold_by opened "$A"
  abort_connection "$(connection_of "$MNT")"
  wait_for 10 no_daemon
  expect_errno EBUSY limit 10 touch "$B/mine"
  let_go
  soon touch "$B/mine"
}

@test "a connection that is aborted while callers wait for locks: the daemon ends in order" {
  mkdir "$MNT.foreground"
  # In the foreground, so that its exit status is seen. What was open when the connection went nobody gives back.
  spawn env "ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0" bash -c '"$0" --config "$1" --state "$2" --node node-f mount -f "$3"; echo "ended $?" >>"$4"' \
    "$CLAIMFS_BIN" "$CONFIG" "$STATE" "$MNT.foreground" "$WORK/status"
  local at=$MNT.foreground/default/data
  wait_for 10 limit 10 test -e "$at"
  spawn flock "$at/lock" sleep 60
  wait_for 10 is_locked
  local number
  for number in {1..10}; do spawn flock "$at/lock" true; done
  wait_for 10 ten_wait
  abort_connection "$(connection_of "$MNT.foreground")"
  wait_for 10 grep -q '^ended' "$WORK/status"
  [ "$(cat "$WORK/status")" = 'ended 0' ]
}
is_locked() { ! flock -n "$HOST/data/lock" true; }
# The kernel shows who waits for the backing file's lock as a line of its own.
ten_wait() { [ "$(grep -c -- '-> FLOCK' /proc/locks)" -ge 10 ]; }

@test "all daemons are killed: the next one finds what is left, and only that" {
  third_node
  hold_by opened "$A"
  kill_daemon
  kill_daemon "$MNT.node-b"
  kill_daemon "$MNT.node-c"
  umount -l "$MNT.node-b"
  mount_node node-b
  wait_for 5 limit 10 test -e "$B"
  expect_errno EBUSY limit 10 touch "$B/mine"
  let_go
  soon touch "$B/mine"
}
