#!/usr/bin/env bats
# Databases and containers on NFS claims: no error and no loss, whoever is killed, the server or the daemon.

# shellcheck disable=SC2016,SC2153  # programs for the shells inside; HOST is mount.bash's

load mount.bash
load nfs.bash
load postgres.bash
load container.bash

setup() {
  make_workspace
  start_nfs_server
  make_nfs_volume data capacity=10Gi
  mount_claims data
  DATA=$MNT/default/data
  PLAIN=$WORK/plain
  mkdir "$PLAIN"
  : >"$WORK/spawned"
}
teardown() {
  show_log_of_failure
  end_postgres
  end_containers
  drop_workspace
}

# A process waits in the kernel for an answer of ours, or for what is read ahead into its cache.
some_wait() {
  local pid
  for pid in "$@"; do if grep -qE 'request_wait_answer|folio_wait' "/proc/$pid/stack" 2>/dev/null; then return 0; fi; done
  return 1
}
postgres_waits() {
  local pids
  mapfile -t pids < <(processes_of_postgres)
  some_wait "${pids[@]}"
}
# restart_under_load WAITS: the server, once WAITS says that somebody has noticed that it is dead.
restart_under_load() {
  kill_nfs_server
  wait_for 20 "$@"
  restart_nfs_server
}

# start_bank: pgbench, fifty transactions of each client at a time, until WORK/closes is there. Every transaction that a
# client was told of is a line in one of the files told.* in PLAIN.
start_bank() {
  spawn runuser -u postgres -- bash -c '
    cd "$1" || exit
    for ((day = 1; ; ++day)); do
      "$2/pgbench" -n -c 4 -j 2 -t 50 --log --log-prefix="told.$day" || { echo "a client failed, on day $day"; exit 1; }
      if [ -e "$3" ]; then break; fi
    done
    echo "closed without any error"' - "$PLAIN" "$(postgres_bin)" "$WORK/closes"
}
told() { cat "$PLAIN"/told.* | wc -l; }

expect_sound_database() {
  expect_balance || return
  postgres pg_amcheck --heapallindexed postgres || return
  stop_postgres || return
  # The pages as they come through the tree, and as they are on the server.
  postgres pg_checksums --check || return
  postgres pg_checksums --check -D "$HOST/data/database"
}

@test "PostgreSQL: no client of pgbench sees that the server is killed, and what it was told outlives the daemon" {
  make_database "$DATA/database" "$PLAIN"
  local settings=(-c max_wal_size=32MB -c checkpoint_timeout=30) bank round
  start_postgres "${settings[@]}"
  postgres pgbench -q -i -s 1 2>/dev/null
  postgres psql -qX -c 'CREATE EXTENSION amcheck'
  start_bank
  bank=$SPAWNED
  for round in 1 2 3 4; do
    wait_for 60 has_transactions $((round * 150))
    # Also in the middle of a checkpoint.
    if [ $((round % 2)) = 0 ]; then spawn runuser -u postgres -- "$(postgres_bin)/psql" -qX -c CHECKPOINT; fi
    restart_under_load postgres_waits
  done
  : >"$WORK/closes"
  wait_for 120 is_gone "$bank"
  grep -qx 'closed without any error' "$WORK/spawned"
  [ "$(transactions)" = "$(told)" ]
  expect_sound_database
  postgres_complained_of_nothing

  rm "$WORK/closes" "$PLAIN"/log "$PLAIN"/told.*
  start_postgres "${settings[@]}"
  local before told rows
  before=$(transactions)
  start_bank
  bank=$SPAWNED
  wait_for 60 has_transactions $((before + 200))
  kill -9 "$(daemon_pid)"
  wait_for 30 is_gone "$bank"
  grep -q 'a client failed' "$WORK/spawned"
  kill_postgres
  umount -l "$MNT" 2>/dev/null || true
  mount_claims data
  start_postgres "${settings[@]}"
  grep -q 'database system was not properly shut down; automatic recovery in progress' "$PLAIN/log"
  # What a client was told of is there. Of each client one more may be.
  told=$(told) rows=$(($(transactions) - before))
  echo "# $before transactions before, $told were told, $rows are there" >&3
  [ "$told" -ge 190 ]
  [ "$rows" -ge "$told" ] && [ "$rows" -le $((told + 4)) ]
  expect_sound_database
}

# write_blocks DIRECTORY ARGUMENTS…: four jobs, each block of a file of their own once, in random order and of random sizes.
write_blocks() {
  fio --name=blocks --directory="$1" --ioengine=psync --numjobs=4 --rw=randwrite --bsrange=4k-64k --size=16m --randseed=7 \
    --fallocate=none --verify=crc32c --verify_fatal=1 --verify_state_save=0 --group_reporting --minimal "${@:2}"
}
verify_blocks() { limit 60 bash -c "$(declare -f write_blocks)"'; write_blocks "$1" --verify_only' - "$1" >"$WORK/verified"; }
has_blocks() { [ "$(du -sk "$HOST/data" | cut -f 1)" -ge "$1" ]; }
# Its jobs are processes in sessions of their own.
fio_waits() {
  local pids
  mapfile -t pids < <(pgrep -f "^fio .*--directory=$DATA ")
  some_wait "${pids[@]}"
}

@test "fio: what is written at random while the server is restarted is read back as it was, from the tree and from the server" {
  local writer round
  spawn bash -c "$(declare -f write_blocks)"'
    write_blocks "$1" --do_verify=1 --verify_backlog=64 --fsync=50 --rate=,4m && echo written' - "$DATA"
  writer=$SPAWNED
  for round in 1 2 3; do
    wait_for 60 has_blocks $((round * 10000))
    restart_under_load fio_waits
  done
  wait_for 120 is_gone "$writer"
  grep -qx written "$WORK/spawned"
  # Nothing of it is cached any more.
  unmount_tree
  mount_claims data
  verify_blocks "$DATA"
  verify_blocks "$HOST/data"
  # One bit, and it would be seen.
  printf X | dd of="$HOST/data/blocks.2.0" bs=1 seek=5000000 conv=notrunc status=none
  expect_status 1 verify_blocks "$HOST/data"
}

@test "a container has a claim as its bind mount, and goes on when the server was restarted" {
  local name=claimfs-$$-$RANDOM
  chmod 2770 "$HOST/data"
  chgrp 2000 "$HOST/data"
  make_container "$PLAIN" "$DATA" '
    set -e
    echo from the container >/data/file
    number=0
    until test -e /data/enough; do
      number=$((number + 1))
      echo $number >/data/$number
      cat /data/$number
      mkdir /data/d$number
      usleep 10000
    done
    echo done'
  spawn runc --root "$WORK/runc" run --bundle "$PLAIN" "$name"
  wait_for 20 test -e "$HOST/data/d20"
  [ "$(cat "$HOST/data/file")" = "from the container" ]
  # With the group of the directory, as one of its groups may create there.
  [ "$(stat -c '%u %g' "$HOST/data/file")" = "1000 2000" ]
  [ "$(limit 10 cat "$DATA/file")" = "from the container" ]
  restart_under_load container_waits "$name"
  limit 20 touch "$DATA/enough"
  wait_for 30 is_gone "$SPAWNED"
  [ "$(tail -n 1 "$WORK/spawned")" = "done" ]
  local last
  last=$(tail -n 2 "$WORK/spawned" | head -n 1)
  diff <(seq "$last") <(head -n -1 "$WORK/spawned")
  diff <(seq "$last") <(cd "$HOST/data" && cat $(seq "$last"))
}
container_waits() {
  local pids
  mapfile -t pids < <(pgrep --ns "$(limit 10 runc --root "$WORK/runc" state "$1" | jq .pid)" --nslist pid)
  some_wait "${pids[@]}"
}
