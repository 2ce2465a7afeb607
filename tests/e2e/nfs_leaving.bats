#!/usr/bin/env bats
# Trees whose servers say nothing are unmounted, with data that these have not taken.

# shellcheck disable=SC2016,SC2153,SC2317  # programs of bash and Python; HOST is mount.bash's; functions that wait_for calls

load mount.bash
load nfs.bash

setup() {
  make_workspace
  start_nfs_server
}
teardown() {
  show_log_of_failure
  thaw_all_nfs_servers
  drop_workspace
}

# spawn_writers DIRECTORY NAME CLAIM…: processes that have the file NAME of each claim open, with four bytes that are on the
# server; that write COUNT bytes more when there is WORK/NAME.go, make WORK/NAME.CLAIM then, and sync nothing.
COUNT=300000
spawn_writers() {
  spawn python3 -c '
import os, sys, time
directory, state, count, *claims = sys.argv[1:]
files = []
for claim in claims:
    files.append(os.open(f"{directory}/{claim}/{os.path.basename(state)}", os.O_RDWR | os.O_CREAT))
    os.write(files[-1], b"safe")
    os.fsync(files[-1])
# Each in a process of its own, which has no other.
children = []
for claim, file in zip(claims, files):
    children.append(os.fork())
    if children[-1] == 0:
        for other in set(files) - {file}:
            os.close(other)
        while not os.path.exists(state + ".go"):
            time.sleep(0.005)
        assert os.write(file, b"x" * int(count)) == int(count)
        open(f"{state}.{claim}", "w").close()
        time.sleep(300)
for file in files:
    os.close(file)
open(state + ".open", "w").close()
for child in children:
    os.waitpid(child, 0)
' "$1" "$WORK/$2" "$COUNT" "${@:3}"
  wait_for 30 test -e "$WORK/$2.open"
}
let_write() { # NAME CLAIM…
  local claim
  : >"$WORK/$1.go"
  for claim in "${@:2}"; do wait_for 20 test -e "$WORK/$1.$claim"; done
}
# Who ends waits five seconds for each file that he has written.
end_writers() { # PID…
  local pid
  for pid; do kill -9 -- "-$pid"; done
  for pid; do wait_for 40 no_process_of "$pid"; done
}
no_process_of() { ! pgrep -g "$1" -r D,R,S,T >/dev/null; }

@test "a tree with three claims whose servers are silent ends within a bound, with data that they have not taken" {
  serve_silent_ones modes=ReadWriteMany
  mount_node node-b
  mount_node node-c
  local node at writers=() daemons=() pid name
  for node in node-a node-b node-c; do
    at=$MNT.$node
    [ "$node" != node-a ] || at=$MNT
    for name in "${SILENT[@]}"; do wait_for 10 limit 10 test -e "$at/default/$name"; done
    spawn_writers "$at/default" "$node" "${SILENT[@]}"
    writers+=("$SPAWNED")
    daemons+=("$(daemon_pid "$at")")
  done
  fall_silent
  for node in node-a node-b node-c; do let_write "$node" "${SILENT[@]}"; done
  # In use: that is said, and it is no wait.
  expect_status 32 limit 20 umount "$MNT"
  expect_text 'target is busy' "$SAID"
  expect_status 75 claimfs unmount "$MNT.node-b"
  kill -TERM "${daemons[2]}"
  wait_for 20 is_not_mounted "$MNT.node-c"
  for pid in "${writers[@]}" "${daemons[@]}"; do
    if is_gone "$pid"; then return 1; fi
  done
  end_writers "${writers[@]}"
  # What is written is kept for ten seconds, in case a server comes back.
  limit 20 umount "$MNT"
  is_not_mounted
  claimfs unmount "$MNT.node-b"
  for pid in "${daemons[@]}"; do wait_for 60 is_gone "$pid"; done
  [ -z "$(mounts_in_workspace)" ]
  for name in "${SILENT[@]}"; do
    wait_for 5 told_of_loss "$name"
    # What was synced is there.
    [ "$(head -qc 4 "$HOST/$name"/*)" = safesafesafe ]
  done
}
# By each of the three daemons.
told_of_loss() {
  [ "$(events_told | grep -cxE "VolumeConditionAbnormal 1 $1 nfs: server 127.0.0.1: $COUNT written bytes of 1 file are lost, .*")" = 3 ] ||
    { events_told; return 1; }
}

@test "a silent server is not said to be OK because its claim is left" {
  serve_silent_ones modes=ReadWriteMany
  spawn_writers "$MNT/default" node-a "${SILENT[@]}"
  fall_silent
  let_write node-a "${SILENT[@]}"
  local pid
  pid=$(daemon_pid)
  end_writers "$SPAWNED"
  limit 20 umount "$MNT"
  wait_for 90 is_gone "$pid"
  if events_told | grep 'VolumeConditionNormal .* OK'; then return 1; fi
}

@test "a server that is back within ten seconds after the tree was unmounted is given what was written" {
  make_nfs_volume data
  mount_claims data
  spawn_writers "$MNT/default" writer data
  freeze_nfs_server
  let_write writer data
  end_writers "$SPAWNED"
  limit 20 umount "$MNT"
  thaw_nfs_server
  wait_for 30 no_daemon
  [ "$(stat -c %s "$HOST/data/writer")" = $((COUNT + 4)) ]
  [ "$(tr -d x <"$HOST/data/writer")" = safe ]
  if events_told | grep lost; then return 1; fi
}
