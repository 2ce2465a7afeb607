#!/usr/bin/env bats
# What was said to be safe is: a writer lists each file after its fsync, and the server, the daemon or both are killed at any
# moment, again and again. Nothing that is listed is ever missing, old or torn.
#
#   CLAIMFS_NFS_CRASHES=50 CLAIMFS_NFS_CRASH_SEED=1 bats nfs_crashes.bats

# shellcheck disable=SC2153  # HOST is mount.bash's

load mount.bash
load nfs.bash

: "${CLAIMFS_NFS_CRASHES:=9}" "${CLAIMFS_NFS_CRASH_SEED:=$RANDOM}"

setup() {
  make_workspace
  export HANG_LIMIT=1800
  start_nfs_server
  make_nfs_volume data
  mount_claims data
  DATA=$MNT/default/data
}
teardown() {
  show_log_of_failure
  drop_workspace
}

write_lists() { spawn python3 "$BATS_TEST_DIRNAME/listed_writer.py" write "$DATA" "$WORK/listed.$1" "$1" "$CLAIMFS_NFS_CRASH_SEED"; }
check_lists() { limit 60 python3 "$BATS_TEST_DIRNAME/listed_writer.py" check "$@"; }
has_listed() { [ "$(wc -l <"$WORK/listed.$1")" -ge "$2" ]; }

# kill_in_the_middle ROUND COUNT MILLISECONDS PID…: once so much is listed, and so long after that.
kill_in_the_middle() {
  limit 60 python3 -c '
import os, signal, sys, time
listed, count, milliseconds, pids = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), map(int, sys.argv[4:])
while not os.path.exists(listed) or open(listed, "rb").read().count(b"\n") < count:
    time.sleep(0.002)
time.sleep(milliseconds / 1000)
for pid in pids:
    os.kill(pid, signal.SIGKILL)' "$WORK/listed.$1" "${@:2}"
}

@test "the server, the daemon and both are killed at random moments, $CLAIMFS_NFS_CRASHES times: what was listed is there and whole" {
  RANDOM=$CLAIMFS_NFS_CRASH_SEED
  local round victim victims=() writer daemon before
  for ((round = 0; round < CLAIMFS_NFS_CRASHES; ++round)); do
    # Each as often as the others, in any order.
    if [ ${#victims[@]} = 0 ]; then mapfile -t victims < <(printf '%s\n' "$RANDOM server" "$RANDOM daemon" "$RANDOM both" | sort -n | cut -d ' ' -f 2); fi
    victim=${victims[0]} victims=("${victims[@]:1}")
    echo "round $round, seed $CLAIMFS_NFS_CRASH_SEED: $victim"
    write_lists "$round"
    writer=$SPAWNED
    daemon=$(daemon_pid)
    case $victim in
      server) kill_in_the_middle "$round" $((RANDOM % 40 + 1)) $((RANDOM % 50)) "$NFS_SERVER" ;;
      daemon) kill_in_the_middle "$round" $((RANDOM % 40 + 1)) $((RANDOM % 50)) "$daemon" ;;
      both) kill_in_the_middle "$round" $((RANDOM % 40 + 1)) $((RANDOM % 50)) "$NFS_SERVER" "$daemon" ;;
    esac
    if [ "$victim" = server ]; then
      # The writer goes on, with no error.
      before=$(wc -l <"$WORK/listed.$round")
      restart_nfs_server
      wait_for 30 has_listed "$round" $((before + 20))
      if is_gone "$writer"; then return 1; fi
      let_go "$writer"
    else
      wait_for 20 is_gone "$writer"
      [ "$victim" = daemon ] || restart_nfs_server
      umount -l "$MNT"
      mount_claims data
    fi
    # As the tree has it and as the server's disk has it, and what is there is seen by both.
    check_lists "$DATA" "$WORK/listed.$round"
    check_lists "$HOST/data" "$WORK/listed.$round"
  done
  # Nor has any of the later crashes touched what the earlier ones left.
  echo "# $(check_lists "$HOST/data" "$WORK"/listed.*) files after $CLAIMFS_NFS_CRASHES crashes (seed $CLAIMFS_NFS_CRASH_SEED)" >&3
  check_lists "$DATA" "$WORK"/listed.*
}

@test "the check of what was listed finds what is missing, old, torn, cut off, or there again" {
  write_lists 0
  wait_for 60 has_listed 0 60
  let_go
  local name size=0 listed=$WORK/listed.0
  check_lists "$DATA" "$listed"
  # One that was not being changed when its writer was killed.
  while read -r name size; do
    if [ "$(stat -c %s "$DATA/$name")" = "$size" ]; then break; fi
  done < <(tac "$listed" | awk '!seen[$2]++ && $1 == "whole" && $3 > 6 {print $2, $3 * 4096}')
  cp "$DATA/$name" "$WORK/saved"
  [ "$(stat -c %s "$WORK/saved")" = "$size" ]
  is_wrong() {
    expect_status 1 check_lists "$DATA" "$listed"
    expect_text "$name $1" "$SAID"
    cp "$WORK/saved" "$DATA/$name"
    check_lists "$DATA" "$listed"
  }
  truncate -s $((size - 1)) "$DATA/$name"
  is_wrong "has $((size - 1)) bytes"
  printf X | dd of="$DATA/$name" bs=1 seek=$((size - 5)) conv=notrunc status=none
  is_wrong "block $((size / 4096 - 1)) is"
  dd if="$DATA/$name" of="$DATA/$name" bs=4096 seek=2 skip=3 count=1 conv=notrunc status=none
  is_wrong 'block 2 is block 3'
  rm "$DATA/$name"
  is_wrong 'is missing'
  echo "whole $name 1 1000" >>"$listed"
  expect_status 1 check_lists "$DATA" "$listed"
  expect_text 'should be version 1000' "$SAID"
  echo "gone $name" >>"$listed"
  expect_status 1 check_lists "$DATA" "$listed"
  expect_text "$name is there again" "$SAID"
}
