#!/usr/bin/env bats
# The daemon's life: how it starts and refuses to, ends and dies, what it logs, and what it leaves to its caller.

load mount.bash

setup() { make_workspace; }

teardown() {
  show_log_of_failure
  drop_workspace
}

# No failed mount has left anything mounted, or a daemon.
expect_nothing_mounted() {
  is_not_mounted "$MNT" && no_daemon
}

logged() { grep -qF -- "$1" "$LOG"; }

@test "mount returns when the mount answers, and unmount when its daemon is gone" {
  make_volume data
  claimfs mount "$MNT" --manifests "$MANIFESTS"
  [ "$(ls "$MNT/default")" = data ]
  local pid
  pid=$(daemon_pid)
  [ "$(tr '\0' '\n' <"/proc/$pid/cmdline" | grep -cxF "$MNT")" = 1 ]
  claimfs unmount "$MNT"
  is_gone "$pid"
  expect_nothing_mounted
}

@test "the daemon lets go of its caller's directory and of stdin, stdout and stderr" {
  mount_tree
  local pid descriptor
  pid=$(daemon_pid)
  for descriptor in 0 1 2; do [ "$(readlink "/proc/$pid/fd/$descriptor")" = /dev/null ]; done
  [ "$(readlink "/proc/$pid/cwd")" = / ]
  [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
  unmount_tree
  # So a pipeline ends with the command.
  [ "$(claimfs mount "$MNT" 2>&1 | cat)" = "" ]
  is_mounted
}

@test "the daemon holds nothing else that its caller had open" {
  make_volume data
  (
    exec 9>"$WORK/lock"
    flock 9
    claimfs mount "$MNT" --manifests "$MANIFESTS"
  )
  flock -n "$WORK/lock" true
  unmount_tree
}

@test "a mount point may be named from where one is, and its daemon is not another one's" {
  mkdir -p "$WORK/a/mnt" "$WORK/b/mnt"
  local place
  for place in a b; do
    (
      cd "$WORK/$place"
      limit 30 "$CLAIMFS_BIN" --config "$CONFIG" --state "$STATE" mount mnt --node mnt --read-only
    )
  done
  for place in a b; do is_mounted "$WORK/$place/mnt"; done
  (cd "$WORK/a" && claimfs unmount ./mnt/)
  is_not_mounted "$WORK/a/mnt"
  no_daemon "$WORK/a/mnt"
  [ "$(daemons_of "$WORK/b/mnt" | wc -l)" = 1 ]
  claimfs unmount "$WORK/a/../b/mnt"
  no_daemon "$WORK/b/mnt"
}

@test "a mount point that is missing, no directory or not empty is refused with what to do" {
  expect_status 1 claimfs mount "$WORK/nowhere"
  expect_text "$WORK/nowhere: No such file or directory: create it with mkdir" "$SAID"
  touch "$WORK/file"
  expect_status 1 claimfs mount "$WORK/file"
  expect_text "not a directory" "$SAID"
  touch "$MNT/file"
  expect_status 1 claimfs mount "$MNT"
  expect_text "not empty" "$SAID"
  expect_nothing_mounted
  claimfs mount "$MNT" -o nonempty
  is_mounted
}

@test "a second daemon for a mount point is refused, also when both start at once" {
  mount_tree
  expect_status 1 claimfs mount "$MNT"
  expect_text "already mounted" "$SAID"
  [ "$(daemons_of "$MNT" | wc -l)" = 1 ]
  unmount_tree
  local count pid pids=()
  for count in 1 2 3 4; do
    claimfs mount "$MNT" >"$WORK/start.$count" 2>&1 &
    pids+=($!)
  done
  local won=0
  for pid in "${pids[@]}"; do if wait "$pid"; then won=$((won + 1)); fi; done
  cat "$WORK"/start.*
  [ "$won" = 1 ]
  [ "$(daemons_of "$MNT" | wc -l)" = 1 ]
  [ "$(grep -cF " $MNT " /proc/self/mountinfo)" = 1 ]
}

@test "mounting takes root, and says so" {
  chmod 755 "$WORK"
  expect_status 77 limit 20 runuser -u nobody -- "$CLAIMFS_BIN" --config "$CONFIG" --state "$WORK/nobody" mount "$MNT"
  expect_text "sudo" "$SAID"
  expect_nothing_mounted
}

@test "without /dev/fuse the mount fails cleanly" {
  expect_status 1 limit 30 unshare --mount bash -c "mount -t tmpfs none /dev && \
    '$CLAIMFS_BIN' --config '$CONFIG' --state '$STATE' mount '$MNT'"
  expect_text "/dev/fuse" "$SAID"
  expect_nothing_mounted
}

@test "unknown options, verbs and flags are usage errors" {
  expect_status 64 claimfs mount "$MNT" -o sideways
  expect_text "sideways" "$SAID"
  expect_status 64 claimfs mount
  expect_status 64 claimfs mount "$MNT" --sideways
  expect_status 64 claimfs mounted "$MNT"
  expect_nothing_mounted
}

@test "a configuration that is wrong is 78, with file and line, and nothing is mounted" {
  printf 'node: node-a\nlogg: {level: info}\n' >"$CONFIG"
  expect_status 78 claimfs mount "$MNT"
  expect_text "$CONFIG:2" "$SAID"
  expect_text "log" "$SAID"
  expect_status 78 "$CLAIMFS_BIN" --config "$WORK/missing.yaml" mount "$MNT"
  expect_text "missing.yaml" "$SAID"
  printf 'log: {file: "%s"}\n' "$WORK" >"$CONFIG"
  expect_status 78 claimfs mount "$MNT"
  expect_nothing_mounted
}

@test "a manifest directory that is missing is an error; a manifest that is wrong is an event, and the rest is mounted" {
  expect_status 1 claimfs mount "$MNT" --manifests "$WORK/nowhere"
  expect_text "$WORK/nowhere" "$SAID"
  expect_nothing_mounted
  make_volume data
  printf 'kind: PersistentVolume\napiVersion: v1\nmetadata: {name: [}\n' >"$MANIFESTS/broken.yaml"
  mount_claims data
  wait_for 5 logged "broken.yaml:3"
  wait_for 5 expect_text "broken.yaml" "$(claimfs get events -A)"
}

@test "a manifest that stops to parse keeps its last good version" {
  make_volume data
  mount_claims data
  echo kept >"$MNT/default/data/file"
  printf 'no: [yaml\n' >>"$MANIFESTS/data.yaml"
  wait_for 5 logged "data.yaml"
  [ "$(cat "$MNT/default/data/file")" = kept ]
  make_volume data
  make_volume more
  wait_for 5 in_tree default/more
  [ "$(cat "$MNT/default/data/file")" = kept ]
}

@test "SIGTERM, SIGINT and a plain umount end mount and daemon" {
  make_volume data
  local signal pid
  for signal in TERM INT; do
    mount_claims data
    pid=$(daemon_pid)
    kill "-$signal" "$pid"
    wait_for 10 is_gone "$pid"
    expect_nothing_mounted
  done
  mount_claims data
  pid=$(daemon_pid)
  umount "$MNT"
  wait_for 10 is_gone "$pid"
  expect_nothing_mounted
}

@test "unmount of a tree in use is refused, and the tree goes on" {
  make_volume data
  mount_claims data
  exec 7>"$MNT/default/data/file"
  expect_status 75 claimfs unmount "$MNT"
  echo still here >&7
  exec 7>&-
  [ "$(cat "$HOST/data/file")" = 'still here' ]
  claimfs unmount "$MNT"
  expect_status 1 claimfs unmount "$MNT"
  expect_text "not mounted" "$SAID"
  expect_status 1 claimfs unmount /proc
  expect_text "not a claimfs mount" "$SAID"
  [ -d /proc/self ]
}

@test "SIGTERM while files are open: no new user comes, and the daemon ends with the last" {
  make_volume data
  mount_claims data
  exec 7>"$MNT/default/data/file"
  local pid
  pid=$(daemon_pid)
  kill -TERM "$pid"
  wait_for 10 is_not_mounted
  limit 10 bash -c 'echo written >&7'
  exec 7>&-
  wait_for 10 is_gone "$pid"
  [ "$(cat "$HOST/data/file")" = written ]
}

@test "a killed daemon leaves a mount that unmount removes, also while it is used, and nothing is lost" {
  make_volume data
  mount_claims data
  exec 7<"$MNT/default/data"
  echo before >"$MNT/default/data/file"
  local pid
  pid=$(daemon_pid)
  kill -9 "$pid"
  wait_for 10 is_gone "$pid"
  expect_errno ENOTCONN limit 10 ls "$MNT"
  expect_status 1 claimfs mount "$MNT"
  expect_text "claimfs unmount" "$SAID"
  claimfs unmount "$MNT"
  exec 7<&-
  expect_nothing_mounted
  mount_claims data
  [ "$(cat "$MNT/default/data/file")" = before ]
}

@test "SIGHUP reads the configuration again and keeps the last good one" {
  mkdir "$WORK/second"
  printf 'manifests: ["%s"]\nlog: {file: "%s"}\n' "$MANIFESTS" "$LOG" >"$CONFIG"
  make_volume data
  claimfs mount "$MNT"
  watch_for_hang "$MNT" 60
  wait_for 10 in_tree default/data
  make_volume more
  mv "$MANIFESTS/more.yaml" "$WORK/second"
  printf 'manifests: ["%s", "%s"]\nlog: {file: "%s"}\n' "$MANIFESTS" "$WORK/second" "$LOG" >"$CONFIG"
  kill -HUP "$(daemon_pid)"
  wait_for 10 in_tree default/more
  printf 'manifest: []\n' >"$CONFIG"
  kill -HUP "$(daemon_pid)"
  wait_for 10 logged "$CONFIG:1"
  in_tree default/more
  in_tree default/data
}

@test "SIGHUP opens the log again after it was rotated" {
  mount_tree
  mv "$LOG" "$LOG.1"
  kill -HUP "$(daemon_pid)"
  wait_for 10 logged "configuration=read"
}

@test "the log is text, or JSON a line" {
  mount_tree
  grep -q '^time=.* level=info mount=up ' "$LOG"
  unmount_tree
  rm "$LOG"
  printf 'log: {format: json, file: "%s"}\n' "$LOG" >"$CONFIG"
  mount_tree
  jq -e -s 'any(.message | contains("mount=up"))' "$LOG"
}

@test "in the foreground it stays, and logs to stderr" {
  make_volume data
  spawn "$CLAIMFS_BIN" --config "$CONFIG" --state "$STATE" mount "$MNT" --manifests "$MANIFESTS" --foreground
  wait_for 10 in_tree default/data
  [ "$(daemon_pid)" = "$SPAWNED" ]
  grep -q 'mount=up' "$WORK/spawned"
  claimfs unmount "$MNT"
  wait_for 10 is_gone "$SPAWNED"
}

@test "options of the mount are what mount shows" {
  mount_tree -o fsname=volumes,noexec
  grep -qE " $MNT rw,nosuid,nodev,noexec,relatime.* - fuse.claimfs volumes " /proc/self/mountinfo
}

@test "the kernel reads further ahead than it offers a FUSE mount" {
  mount_tree
  local setting
  setting=/sys/class/bdi/$(mountpoint -d "$MNT")/read_ahead_kb
  [ -w "$setting" ] || skip "sysfs is read-only here"
  [ "$(cat "$setting")" = 512 ]
}

@test "two mounts of one state directory show the same claims, and one of them controls" {
  make_volume data modes=ReadWriteMany
  mount_claims data
  mkdir "$MNT.second"
  claimfs mount "$MNT.second"
  watch_for_hang "$MNT.second" 60
  echo hello >"$MNT/default/data/file"
  [ "$(limit 10 cat "$MNT.second/default/data/file")" = hello ]
  make_volume more
  wait_for 5 limit 10 test -d "$MNT.second/default/more"
  # The other takes over when the controlling one dies.
  kill -9 "$(daemon_pid)"
  claimfs unmount "$MNT" || is_not_mounted # it has done that, too
  make_volume third
  claimfs apply -f "$MANIFESTS/third.yaml"
  wait_for 10 limit 10 test -d "$MNT.second/default/third"
  claimfs unmount "$MNT.second"
}

@test "a killed daemon's mount point is free for the next one" {
  mount_tree
  local pid
  pid=$(daemon_pid)
  kill -9 "$pid"
  wait_for 10 is_gone "$pid"
  umount -l "$MNT"
  mount_tree
  ls "$MNT" >/dev/null
}

@test "state is root's alone" {
  mount_tree
  [ "$(stat -c %a "$STATE/store.sqlite")" = 600 ]
  unmount_tree
  rm -r "$STATE"
  mount_tree
  [ "$(stat -c %a "$STATE")" = 700 ]
}

@test "a full tree of pages is let go of by sync and by fsync" {
  make_volume data
  mount_claims data
  limit 60 dd if=/dev/zero of="$MNT/default/data/file" bs=1M count=200 conv=fsync status=none
  limit 60 sync
  [ "$(stat -c %s "$HOST/data/file")" = 209715200 ]
}
