#!/usr/bin/env bats
# The kernel's requests by io_uring. What holds of those by /dev/fuse holds of these: scripts/test runs other files with
# CLAIMFS_REQUESTS=io_uring, too.

load mount.bash

setup() {
  [ -e "$IO_URING" ] || skip "Linux before 6.14 has no FUSE over io_uring"
  export CLAIMFS_REQUESTS=io_uring
  BINARY=$CLAIMFS_BIN
  make_workspace
}

teardown() {
  kill -CONT "$(daemon_pid)" 2>/dev/null || true
  show_log_of_failure
  drop_workspace
}

ways() { sed -n 's/^requests: //p' "$MNT/.claimfs/status"; }

@test "they come so where the kernel has it enabled, and the status says it" {
  make_volume data
  mount_claims data
  [ "$(ways)" = io_uring ]
  echo text >"$MNT/default/data/file"
  [ "$(cat "$HOST/data/file")" = text ]
  unmount_tree
  wait_for 10 no_daemon
  CLAIMFS_REQUESTS='' mount_claims data
  [ "$(ways)" = /dev/fuse ] || [ "$(cat "$IO_URING")" = Y ]
  [ "$(cat "$MNT/default/data/file")" = text ]
}

@test "an io_uring that the system refuses is none: requests come by /dev/fuse, and the log says why" {
  make_volume data
  # As many administrators do, and many containers have it.
  local disabled=/proc/sys/kernel/io_uring_disabled before status=0
  before=$(cat $disabled)
  echo 2 >$disabled
  mount_claims data || status=$?
  echo "$before" >$disabled
  [ $status = 0 ]
  [ "$(ways)" = /dev/fuse ]
  grep 'requests=/dev/fuse reason="no io_uring: io_uring: Operation not permitted"' "$LOG"
  echo text >"$MNT/default/data/file"
  [ "$(cat "$HOST/data/file")" = text ]
}

@test "a mount that may not use all processors has none" {
  [ "$(nproc)" -gt 1 ] || skip "there is one processor"
  make_volume data
  CLAIMFS_BIN=$WORK/on_one_processor
  printf '#!/bin/sh\nexec taskset -c 0 "%s" "$@"\n' "$BINARY" >"$CLAIMFS_BIN"
  chmod +x "$CLAIMFS_BIN"
  mount_claims data
  [ "$(ways)" = /dev/fuse ]
  grep 'requests=/dev/fuse reason="no io_uring: not all processors may be used' "$LOG"
}

@test "a hundred callers that wait for locks keep nobody else from being served" {
  make_volume data
  make_volume other
  mount_claims data other
  touch "$MNT/default/data/lock"
  exec 7<>"$MNT/default/data/lock"
  flock 7
  local number
  for number in {1..100}; do spawn flock "$MNT/default/data/lock" -c "echo $number >>'$WORK/got'"; done
  wait_for 30 hundred_wait
  for number in {1..50}; do limit 10 sh -c "echo $number >'$MNT/default/other/$number'"; done
  [ "$(find "$MNT/default/other" -type f | wc -l)" = 50 ]
  flock -u 7
  exec 7>&-
  wait_for 30 hundred_are_done
}
hundred_wait() { [ "$(grep -c 'FLOCK.*-> ' /proc/locks)" -ge 100 ] || [ "$(pgrep -fc "^flock $MNT/default/data/lock")" -ge 100 ]; }
hundred_are_done() { [ "$(sort -un "$WORK/got" | wc -l)" = 100 ]; }

@test "a signal that comes while a request for a lock is on its way to the daemon ends the wait" {
  make_volume data
  mount_claims data
  local file=$MNT/default/data/lock daemon
  daemon=$(daemon_pid)
  spawn flock "$file" sleep 60
  wait_for 5 is_locked
  spawn python3 -c 'import fcntl, os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: sys.exit("signalled"))
file = os.open(sys.argv[1], os.O_RDWR)
os.kill(os.getpid(), signal.SIGSTOP)
fcntl.flock(file, fcntl.LOCK_EX)' "$file"
  wait_for 5 is_stopped "$SPAWNED"
  stop_process "$daemon"
  kill -CONT "$SPAWNED"
  wait_for 5 grep -q request_wait_answer "/proc/$SPAWNED/stack"
  kill -USR1 "$SPAWNED"
  wait_for 5 has_line ShdPnd 0*2 "$SPAWNED"
  kill -CONT "$daemon"
  wait_for 5 is_gone "$SPAWNED"
  grep -qx signalled "$WORK/spawned"
}
is_locked() { ! flock -n "$HOST/data/lock" true; }
has_line() { grep -q "^$1:.$2" "/proc/$3/status"; }
