#!/usr/bin/env bats
# Real applications on a claim: what they store there is right, also when they are killed.

load mount.bash

setup_file() {
  make_workspace
  make_volume data capacity=10Gi
  make_volume shared modes=ReadWriteMany
  mount_claims data shared
}
teardown_file() { drop_workspace; }

setup() {
  # Every test has a directory of its own in each claim.
  HERE=$MNT/default/data/$BATS_TEST_NUMBER
  THERE=$HOST/data/$BATS_TEST_NUMBER
  : >"$WORK/spawned"
  limit 10 mkdir "$HERE" "$MNT/default/shared/$BATS_TEST_NUMBER"
}
teardown() { show_log_of_failure; }

# checksums_of DIRECTORY: content, kind, mode, owner, time and links of everything in it.
checksums_of() {
  (
    cd "$1" || exit
    limit 60 find . -mindepth 1 -printf '%y %m %U:%G %n %s %T@ %l %p\0' | sed -z -E 's/^d ([^ ]* [^ ]* [0-9]*) [0-9]* /d \1 - /' | sort -z | tr '\0' '\n'
    limit 60 find . -type f -print0 | sort -z | xargs -0 sha256sum --zero | tr '\0' '\n'
    limit 60 getfacl -R -p . 2>/dev/null
    limit 60 getfattr -R -h -d -m '^(user|security)\.' -e hex . 2>/dev/null
  )
}

# Something of everything that a directory can hold.
make_variety() {
  (
    cd "$1" || exit
    mkdir -p tree/a/b/c empty 'odd names'
    head -c 3000000 /dev/urandom >tree/large
    for i in $(seq 100); do echo "$i" >"tree/a/$i"; done
    ln tree/large tree/a/b/hard
    ln -s ../large tree/a/soft
    ln -s nowhere dangling
    truncate -s 20M sparse
    echo middle | dd of=sparse bs=1 seek=10000000 conv=notrunc status=none
    mkfifo fifo
    mknod null c 1 3
    touch "odd names/$(printf 'new\nline')" 'odd names/ünïcödé ☃' "odd names/$(printf 'n%.0s' $(seq 255))" 'odd names/-rf'
    setfattr -n user.color -v blue tree/large
    setfacl -m u:nobody:rwx,g:daemon:r tree/a/1
    setfacl -d -m u:nobody:rx tree/a/b
    cp /usr/bin/true program
    setcap cap_net_raw+ep program
    cp /usr/bin/true setid
    chown nobody:daemon setid
    chmod 6755 setid
    chmod 1777 empty
    touch -d '1999-12-31 23:59:59.123456789' tree/a/2
    touch -h -d '2030-01-01 00:00:00.987654321' dangling
  )
}

@test "git: clone, status, commit, gc and fsck" {
  local git=(limit 120 git -c user.name=x -c user.email=x@y -c safe.directory='*' -c commit.gpgsign=false)
  mkdir "$WORK/origin"
  "${git[@]}" -C "$WORK/origin" init -q
  cp -r "$BATS_TEST_DIRNAME/../.." "$WORK/origin/copy" 2>/dev/null || true
  rm -rf "$WORK/origin/copy/build" "$WORK/origin/copy/.git"
  "${git[@]}" -C "$WORK/origin" add -A
  "${git[@]}" -C "$WORK/origin" commit -q -m one
  "${git[@]}" clone -q "$WORK/origin" "$HERE/clone"
  [ "$("${git[@]}" -C "$HERE/clone" status --porcelain)" = "" ]
  diff -r --exclude=.git "$WORK/origin" "$HERE/clone"
  echo more >"$HERE/clone/more"
  [ "$("${git[@]}" -C "$HERE/clone" status --porcelain)" = "?? more" ]
  "${git[@]}" -C "$HERE/clone" add more
  "${git[@]}" -C "$HERE/clone" commit -q -m two
  "${git[@]}" -C "$HERE/clone" gc -q --aggressive --prune=now
  "${git[@]}" -C "$HERE/clone" fsck --strict
  [ "$("${git[@]}" -C "$THERE/clone" log --format=%s)" = $'two\none' ]
}

sqlite_in() { # DIRECTORY JOURNAL_MODE
  local database=$1/test.db writer writers=()
  limit 30 sqlite3 "$database" "PRAGMA journal_mode=$2; CREATE TABLE t(writer, number, text);"
  for writer in 1 2 3 4; do
    (
      for number in $(seq 50); do
        printf '.timeout 20000\nINSERT INTO t VALUES(%s, %s, hex(randomblob(500)));\n' "$writer" "$number"
      done | limit 60 sqlite3 -bail "$database"
    ) &
    writers+=($!)
  done
  for writer in "${writers[@]}"; do wait "$writer"; done
  [ "$(limit 30 sqlite3 "$database" 'SELECT count(*), count(DISTINCT writer * 1000 + number) FROM t')" = '200|200' ]
  # Killed in the middle of a transaction: nothing of it, and everything else, is there.
  coproc HALF { exec sqlite3 "$database" 2>&1; }
  # shellcheck disable=SC2153  # made by coproc
  local half=$HALF_PID
  printf 'PRAGMA cache_size=5; BEGIN; UPDATE t SET text = hex(randomblob(2000)); SELECT 1;\n' >&"${HALF[1]}"
  read -r -t 20 <&"${HALF[0]}"
  kill -9 "$half"
  wait "$half" || true
  [ "$(limit 30 sqlite3 "$database" 'PRAGMA integrity_check; SELECT count(*), max(length(text)) FROM t')" = $'ok\n200|1000' ]
}

@test "SQLite with a rollback journal: four writers, and one that is killed" {
  sqlite_in "$HERE" DELETE
}

@test "SQLite with a write-ahead log: four writers, and one that is killed" {
  sqlite_in "$HERE" WAL
}

@test "SQLite on a claim that is shared, in both modes" {
  local there=$MNT/default/shared/$BATS_TEST_NUMBER
  mkdir "$there/one" "$there/two"
  sqlite_in "$there/one" DELETE
  sqlite_in "$there/two" WAL
}

# PostgreSQL's own programs, as its own user, with a socket in the workspace and no network.
postgres() {
  local bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  limit 120 runuser -u postgres -- env PGHOST="$WORK/socket" PGDATABASE=postgres "$bin/$1" "${@:2}"
}
start_postgres() {
  postgres pg_ctl -D "$HERE/data" -w -t 60 -l "$WORK/socket/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$WORK/socket' -c shared_buffers=16MB" start
}
sums() {
  postgres psql -AtqX -c 'SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
    (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)'
}
has_transactions() { [ "$(postgres psql -AtqX -c 'SELECT count(*) > 100 FROM pgbench_history')" = t ]; }
no_process_of() { ! pgrep -u postgres -f "$1" >/dev/null; }

@test "PostgreSQL: initdb, pgbench, kill -9 of the postmaster under load, and recovery" {
  install -d -o postgres -m 700 "$WORK/socket" "$HERE/data"
  chmod 755 "$HERE"
  postgres initdb -D "$HERE/data" --no-instructions --auth=trust --data-checksums >/dev/null
  start_postgres
  postgres pgbench -q -i -s 2 2>/dev/null
  postgres pgbench -n -c 4 -j 2 -T 3
  IFS='|' read -r accounts tellers branches history < <(sums)
  [ "$accounts $accounts $accounts" = "$tellers $branches $history" ]
  postgres psql -AtqX -c 'TRUNCATE pgbench_history; UPDATE pgbench_accounts SET abalance = 0;
    UPDATE pgbench_tellers SET tbalance = 0; UPDATE pgbench_branches SET bbalance = 0'

  spawn runuser -u postgres -- env PGHOST="$WORK/socket" PGDATABASE=postgres \
    "$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)/pgbench" -n -c 4 -j 2 -T 60
  wait_for 20 has_transactions
  local postmaster
  postmaster=$(head -n 1 "$HERE/data/postmaster.pid")
  kill -9 "$postmaster"
  # Also a zombie would keep its lock file valid.
  wait_for 30 test ! -e "/proc/$postmaster"
  wait_for 30 no_process_of "$HERE/data"
  wait_for 30 no_process_of 'postgres: '
  wait_for 30 is_gone "$SPAWNED"

  start_postgres || { cat "$WORK/socket/log"; return 1; }
  grep -q 'database system was not properly shut down; automatic recovery in progress' "$WORK/socket/log"
  IFS='|' read -r accounts tellers branches history < <(sums)
  echo "after recovery: $accounts $tellers $branches $history"
  [ "$accounts $accounts $accounts" = "$tellers $branches $history" ]
  has_transactions
  postgres psql -AtqX -c 'REINDEX DATABASE' -c 'VACUUM FULL'
  postgres pg_ctl -D "$HERE/data" -w -m fast stop
  # The pages as they are on disk have the checksums that they should have.
  postgres pg_checksums -D "$HERE/data" --check
}

@test "rsync and tar carry everything there and back" {
  mkdir "$WORK/source" "$WORK/back"
  make_variety "$WORK/source"
  # Links, ACLs, attributes, holes, and times to the nanosecond.
  limit 60 rsync -aHAXS -@ -1 --numeric-ids "$WORK/source/" "$HERE/rsync/"
  diff <(checksums_of "$WORK/source") <(checksums_of "$HERE/rsync")
  [ "$(limit 60 rsync -aHAXS -@ -1 --numeric-ids -n -i --delete --checksum "$WORK/source/" "$HERE/rsync/")" = "" ]
  [ "$(stat -c %b "$HERE/rsync/sparse")" -lt 200 ]
  limit 60 rsync -aHAXS -@ -1 --numeric-ids "$HERE/rsync/" "$WORK/back/"
  diff <(checksums_of "$WORK/source") <(checksums_of "$WORK/back")

  local tar=(tar --xattrs --xattrs-include='*' --acls --numeric-owner --sparse)
  mkdir "$HERE/tar" "$WORK/again"
  limit 60 "${tar[@]}" --format=posix -C "$WORK/source" -cf "$HERE/tar.tar" .
  limit 60 "${tar[@]}" -C "$HERE/tar" -xpf "$HERE/tar.tar"
  diff <(checksums_of "$WORK/source") <(checksums_of "$HERE/tar")
  limit 60 "${tar[@]}" --format=posix -C "$HERE/tar" -cf "$WORK/again.tar" .
  limit 60 "${tar[@]}" -C "$WORK/again" -xpf "$WORK/again.tar"
  diff <(checksums_of "$WORK/source") <(checksums_of "$WORK/again")
  limit 60 cp -a "$HERE/tar" "$HERE/cp"
  diff <(checksums_of "$WORK/source") <(checksums_of "$HERE/cp")
}

@test "a compiler builds in it, and what it built runs from it" {
  local number
  for number in $(seq 20); do
    printf 'int f%s(int x) { return x + %s; }\n' "$number" "$number" >"$HERE/f$number.c"
  done
  {
    echo '#include <stdio.h>'
    for number in $(seq 20); do echo "int f$number(int);"; done
    echo 'int main(void) { int x = 0;'
    for number in $(seq 20); do echo "x = f$number(x);"; done
    printf '%s\n' 'printf("%d\n", x); return 0; }'
  } >"$HERE/main.c"
  (cd "$HERE" && printf '%s\n' ./*.c | limit 60 xargs -P 4 -n 1 gcc -fPIC -c)
  (cd "$HERE" && limit 60 gcc -shared -o libf.so f*.o && limit 60 gcc -o program main.o -L. -lf -Wl,-rpath,"$HERE")
  [ "$(limit 10 "$HERE/program")" = 210 ]
  cp "$(command -v sleep)" "$HERE/sleep"
  spawn "$HERE/sleep" 60
  wait_for 5 is_running_from "$HERE/sleep" "$SPAWNED"
  expect_errno ETXTBSY limit 10 python3 -c 'import os, sys; os.open(sys.argv[1], os.O_WRONLY)' "$HERE/sleep"
  kill -9 "$SPAWNED"
}
is_running_from() { [ "$(readlink "/proc/$2/exe")" = "$1" ]; }

@test "tail -f sees what others append" {
  touch "$HERE/log"
  spawn tail -f "$HERE/log"
  for number in $(seq 20); do echo "line $number" >>"$HERE/log"; done
  wait_for 10 grep -qx 'line 20' "$WORK/spawned"
  kill -9 "$SPAWNED"
}

# container ROOT COMMAND…: busybox in a runc container, with the tree as its /volumes (rslave) and the claim as its /data.
make_container() {
  local root=$1 command=$2
  mkdir -p "$root/rootfs/bin" "$root/rootfs/proc" "$root/rootfs/data" "$root/rootfs/volumes" "$root/rootfs/tmp"
  cp /bin/busybox "$root/rootfs/bin/busybox"
  for name in sh cat ls df echo sleep mkdir test sync touch id; do ln -sf busybox "$root/rootfs/bin/$name"; done
  (cd "$root" && runc spec)
  jq --arg data "$HERE" --arg tree "$MNT" --arg command "$command" '
    .process.terminal = false | .process.args = ["/bin/sh", "-c", $command] | .root.readonly = false
    | .mounts = [{destination: "/proc", type: "proc", source: "proc"},
        {destination: "/data", type: "bind", source: $data, options: ["rbind", "rw"]},
        {destination: "/volumes", type: "bind", source: $tree, options: ["rbind", "rslave", "rw"]}]
    | .linux.namespaces |= map(select(.type == "pid" or .type == "mount" or .type == "ipc" or .type == "uts"))
    | del(.linux.resources, .linux.maskedPaths, .linux.readonlyPaths)
    ' "$root/config.json" >"$root/config.new"
  mv "$root/config.new" "$root/config.json"
}

@test "a container has a claim as its bind mount, and sees claims that come later" {
  local name=claimfs-$$-$RANDOM
  # shellcheck disable=SC2016  # for the shell inside
  make_container "$WORK/container" '
    set -e
    echo from the container >/data/file
    ls /volumes/default
    df -k /volumes/default/data | busybox tail -n 1
    touch /data/ready
    tries=0
    until test -d /volumes/default/later; do
      tries=$((tries + 1))
      test $tries -lt 300
      busybox usleep 100000
    done
    echo seen >/volumes/default/later/file
    ls /volumes/default'
  spawn runc --root "$WORK/runc" run --bundle "$WORK/container" "$name"
  wait_for 20 test -e "$THERE/ready"
  [ "$(cat "$THERE/file")" = "from the container" ]
  make_volume later
  wait_for 30 test -s "$HOST/later/file"
  wait_for 20 is_gone "$SPAWNED"
  runc --root "$WORK/runc" delete --force "$name" 2>/dev/null || true
  cat "$WORK/spawned"
  [ "$(cat "$HOST/later/file")" = seen ]
  grep -qx later "$WORK/spawned"
  grep -qE '^claimfs +10485760 ' "$WORK/spawned"
}

@test "stress-ng's file stressors agree with themselves" {
  local stressors=(chdir chmod chown copy-file dentry dir fallocate fcntl fiemap filename flock fpunch fstat getdent hdd
    lease link locka lockf lockofd mknod mmap open rename seek symlink sync-file touch unlink utime xattr)
  local known name wanted=()
  known=$(stress-ng --stressors)
  for name in "${stressors[@]}"; do
    if [[ " $known " == *" $name "* ]]; then wanted+=("--$name" 1); fi
  done
  limit 120 stress-ng "${wanted[@]}" --timeout 8 --verify --temp-path "$HERE" --hdd-bytes 16M --fallocate-bytes 16M \
    --sync-file-bytes 16M --mmap-bytes 16M --mmap-file --dentries 200
}
