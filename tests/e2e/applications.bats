#!/usr/bin/env bats
# Real applications on a claim: what they store there is right, also when they are killed.

# shellcheck disable=SC2016  # programs for the shells, makes and containers inside

load mount.bash
load postgres.bash
load container.bash

setup_file() {
  make_workspace
  # All tests of the file have one mount.
  export HANG_LIMIT=1200
  make_volume data capacity=10Gi
  make_volume shared capacity=10Gi modes=ReadWriteMany
  make_volume box capacity=3Gi
  mount_claims data shared box
}
teardown_file() { drop_workspace; }

setup() {
  # Every test has a directory of its own in each claim, and one beside the tree.
  HERE=$MNT/default/data/$BATS_TEST_NUMBER
  THERE=$HOST/data/$BATS_TEST_NUMBER
  PLAIN=$WORK/plain/$BATS_TEST_NUMBER
  : >"$WORK/spawned"
  mkdir -p "$PLAIN"
  limit 10 mkdir "$HERE" "$MNT/default/shared/$BATS_TEST_NUMBER"
}
teardown() {
  show_log_of_failure
  end_postgres
  end_containers
}

# store FILE: what comes in; append FILE: behind what is there.
store() { limit 20 dd of="$1" status=none; }
append() { limit 20 dd of="$1" oflag=append conv=notrunc status=none; }
is_running_from() { [ "$(readlink "/proc/$2/exe")" = "$1" ]; }

@test "git: clone, status, commit, branches, gc and fsck" {
  local git=(limit 60 git -c user.name=x -c user.email=x@y -c safe.directory='*' -c commit.gpgsign=false -c gc.autoDetach=false)
  local origin=$PLAIN/origin clone=$HERE/clone number
  mkdir -p "$origin/odd names" "$origin/bin"
  "${git[@]}" -C "$origin" init -q
  for number in $(seq 300); do
    mkdir -p "$origin/d$((number % 20))/e$((number % 3))"
    seq "$number" 2000 >"$origin/d$((number % 20))/e$((number % 3))/$number"
  done
  head -c 3000000 /dev/urandom >"$origin/large"
  cp /usr/bin/true "$origin/bin/true"
  ln -s ../large "$origin/bin/link"
  touch "$origin/odd names/$(printf 'new\nline')" "$origin/odd names/ünïcödé ☃" "$origin/empty"
  "${git[@]}" -C "$origin" add -A
  "${git[@]}" -C "$origin" commit -q -m one

  "${git[@]}" clone -q "$origin" "$clone"
  # What the index knows of the files (numbers, times, sizes) is what a look at them says: diff-files asks no contents.
  [ "$("${git[@]}" -C "$clone" diff-files)" = "" ]
  [ "$("${git[@]}" -C "$clone" status --porcelain)" = "" ]
  limit 60 diff -r --no-dereference --exclude=.git "$origin" "$clone"
  [ "$(limit 10 stat -c %a "$clone/bin/true")" = 755 ]
  echo more | store "$clone/more"
  echo more | append "$clone/d1/e1/1"
  [ "$("${git[@]}" -C "$clone" status --porcelain)" = $' M d1/e1/1\n?? more' ]
  "${git[@]}" -C "$clone" checkout -q -b other
  "${git[@]}" -C "$clone" add -A
  "${git[@]}" -C "$clone" commit -q -m two
  "${git[@]}" -C "$clone" checkout -q -
  limit 60 diff -r --no-dereference --exclude=.git "$origin" "$clone"
  "${git[@]}" -C "$clone" merge -q other
  "${git[@]}" -C "$clone" gc -q --aggressive --prune=now
  "${git[@]}" -C "$clone" fsck --strict
  [ "$("${git[@]}" -C "$clone" status --porcelain)" = "" ]
  # From one directory of the claim to another, git links the objects.
  "${git[@]}" clone -q "$clone" "$HERE/second"
  [ "$(limit 10 find "$HERE/second/.git/objects" -name '*.pack' -links 2 | wc -l)" = 1 ]
  limit 60 diff -r --no-dereference --exclude=.git "$clone" "$HERE/second"
  # And what is stored is a repository for the host as well.
  [ "$("${git[@]}" -C "$THERE/clone" log --format=%s)" = $'two\none' ]
  "${git[@]}" -C "$THERE/clone" fsck --strict
}

# sqlite_in JOURNAL_MODE DIRECTORY [DIRECTORY]: four writers and one that is killed in the middle of a transaction, on one
# database. The second directory is another way to the first.
sqlite_in() {
  local mode=$1 one=$2/$1.db other=${3:-$2}/$1.db writer database writers=() half
  [ "$(limit 30 sqlite3 "$one" "PRAGMA journal_mode=$mode")" = "${mode,,}" ]
  limit 30 sqlite3 "$one" 'CREATE TABLE t(writer, number, text)' 'CREATE TABLE large(text)' \
    "INSERT INTO large SELECT hex(zeroblob(1000)) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300) SELECT x FROM c)"
  # With the lock held, and pages of the transaction in the database or the log.
  spawn sqlite3 -cmd '.timeout 20000' "$one" 'PRAGMA cache_size=5' 'BEGIN IMMEDIATE' \
    "UPDATE large SET text = hex(zeroblob(3000))" ".shell touch '$WORK/half.$BATS_TEST_NUMBER.$mode'" '.shell sleep 60'
  half=$SPAWNED
  wait_for 20 test -e "$WORK/half.$BATS_TEST_NUMBER.$mode"
  for writer in 1 2 3 4; do
    database=$one
    if [ $((writer % 2)) = 0 ]; then database=$other; fi
    for number in $(seq 50); do
      printf 'INSERT INTO t VALUES(%s, %s, hex(randomblob(500)));\n' "$writer" "$number"
    done >"$WORK/inserts.$writer"
    spawn timeout 60 sqlite3 -bail -cmd '.timeout 40000' "$database" ".read '$WORK/inserts.$writer'"
    writers+=("$SPAWNED")
  done
  case $mode in
    DELETE) limit 10 test -s "$one-journal" ;;
    WAL) [ "$(limit 10 stat -c %s "$one-wal")" -gt 1000000 ] ;;
  esac
  expect_text 'database is locked' "$(limit 10 sqlite3 "$one" 'BEGIN IMMEDIATE' 2>&1)"
  kill -9 -- "-$half"
  for writer in "${writers[@]}"; do wait_for 60 is_gone "$writer"; done
  for database in "$one" "$other"; do
    [ "$(limit 30 sqlite3 "$database" 'PRAGMA integrity_check')" = ok ]
    [ "$(limit 30 sqlite3 "$database" 'SELECT count(*), count(DISTINCT writer * 1000 + number), sum(number) FROM t')" = '200|200|5100' ]
    [ "$(limit 30 sqlite3 "$database" 'SELECT count(*), max(length(text)) FROM large')" = '300|2000' ]
  done
  [ ! -s "$WORK/spawned" ]
}

@test "SQLite with a rollback journal: four writers, and one that is killed" {
  sqlite_in DELETE "$HERE"
}

@test "SQLite with a write-ahead log: four writers, and one that is killed" {
  sqlite_in WAL "$HERE"
}

@test "SQLite on a claim that is shared, in both modes" {
  sqlite_in DELETE "$MNT/default/shared/$BATS_TEST_NUMBER"
  sqlite_in WAL "$MNT/default/shared/$BATS_TEST_NUMBER"
}

@test "SQLite on a claim that is shared, while the host writes to the same database" {
  sqlite_in DELETE "$MNT/default/shared/$BATS_TEST_NUMBER" "$HOST/shared/$BATS_TEST_NUMBER"
  sqlite_in WAL "$MNT/default/shared/$BATS_TEST_NUMBER" "$HOST/shared/$BATS_TEST_NUMBER"
}

@test "PostgreSQL: initdb, pgbench, kill -9 under load, and recovery" {
  limit 10 chmod 755 "$HERE"
  make_database "$HERE/data" "$PLAIN"
  start_postgres
  postgres pgbench -q -i -s 1 2>/dev/null
  postgres pgbench -n -c 4 -j 2 -T 3
  expect_balance
  local before
  before=$(transactions)
  [ "$before" -gt 0 ]

  spawn runuser -u postgres -- "$(postgres_bin)/pgbench" -n -c 4 -j 2 -T 60
  wait_for 20 has_transactions $((before + 200))
  before=$(transactions)
  kill_postgres
  wait_for 30 is_gone "$SPAWNED"

  start_postgres
  grep -q 'database system was not properly shut down; automatic recovery in progress' "$PLAIN/log"
  expect_balance
  [ "$(transactions)" -ge "$before" ]
  postgres pg_amcheck --install-missing --heapallindexed postgres
  postgres reindexdb --quiet postgres
  postgres vacuumdb --full --quiet --table=pgbench_accounts postgres
  expect_balance
  postgres pgbench -n -c 2 -t 20 >/dev/null
  expect_balance
  stop_postgres
  # The pages as they are on disk have the checksums that they should have.
  postgres pg_checksums --check
  postgres_complained_of_nothing
}

# Something of everything that a directory can hold.
make_variety() {
  (
    cd "$1" || exit
    mkdir -p tree/a/b/c empty 'odd names' owned/group
    head -c 3000000 /dev/urandom >tree/large
    for i in $(seq 100); do echo "$i" >"tree/a/$i"; done
    ln tree/large tree/a/b/hard
    ln tree/a/7 'odd names/seven'
    ln tree/a/7 tree/seven
    ln -s ../large tree/a/soft
    ln -s nowhere dangling
    ln -s "$(printf 't%.0s' $(seq 200))/$(printf 'u%.0s' $(seq 200))" far
    ln -P dangling tree/dangling
    truncate -s 20M sparse
    echo middle | dd of=sparse bs=1 seek=10000000 conv=notrunc status=none
    truncate -s 1M hole
    : >zero
    mkfifo fifo
    ln fifo tree/fifo
    mknod null c 1 3
    mknod block b 7 200
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    touch "odd names/$(printf 'new\nline')" 'odd names/ünïcödé ☃' "odd names/$(printf 'n%.0s' $(seq 255))" 'odd names/-rf' \
      "odd names/$(printf 'not utf-8 \377\200')" 'odd names/ ' 'odd names/*' "odd names/back\\slash"
    setfattr -n user.color -v blue tree/large
    setfattr -n user.empty tree/large
    setfattr -n user.large -v "$(printf 'v%.0s' $(seq 2000))" tree/a/3
    setfattr -n user.directory -v yes tree/a/b/c
    setfattr -n trusted.secret -v 0x00ff00 tree/a/4
    setfattr -h -n trusted.link -v there tree/a/soft
    setfacl -m u:nobody:rwx,g:daemon:r tree/a/1
    setfacl -m u:12345:r--,m::rw- owned
    setfacl -d -m u:nobody:rx tree/a/b
    cp /usr/bin/true program
    setcap cap_net_raw+ep program
    cp /usr/bin/true setid
    chown nobody:daemon setid
    chmod 6755 setid
    chown -h 12345:54321 owned/group dangling
    chmod 2775 owned/group
    chmod 0 tree/a/5
    chmod 1777 empty
    touch -d '1999-12-31 23:59:59.123456789' tree/a/2
    touch -d '1950-01-01 00:00:00.000000001Z' zero
    touch -d '2100-01-01 00:00:00.999999999Z' hole
    touch -h -d '2030-01-01 00:00:00.987654321' dangling
    touch -d '2001-02-03 04:05:06.789' empty tree/a
  )
}
listing_of() { limit 60 python3 "$BATS_TEST_DIRNAME/listing.py" "$1"; }
expect_same() { diff <(listing_of "$PLAIN/source") <(listing_of "$1"); }

@test "rsync carries everything there and back" {
  local rsync=(limit 60 rsync -aHAXS --devices --specials --modify-window=-1 --numeric-ids)
  mkdir "$PLAIN/source" "$PLAIN/back"
  make_variety "$PLAIN/source"
  [ "$(listing_of "$PLAIN/source" | wc -l)" -gt 130 ]
  "${rsync[@]}" "$PLAIN/source/" "$HERE/copy/"
  expect_same "$HERE/copy"
  expect_same "$THERE/copy"
  [ "$("${rsync[@]}" -n -i --delete "$PLAIN/source/" "$HERE/copy/")" = "" ]
  [ "$("${rsync[@]}" -n -i --delete --checksum "$PLAIN/source/" "$HERE/copy/")" = "" ]
  [ "$("${rsync[@]}" -n -i --delete "$HERE/copy/" "$PLAIN/source/")" = "" ]
  "${rsync[@]}" "$HERE/copy/" "$PLAIN/back/"
  expect_same "$PLAIN/back"
  # From claim to claim; and again after changes, in place and not, and away with what is no more.
  "${rsync[@]}" "$HERE/copy/" "$MNT/default/shared/$BATS_TEST_NUMBER/copy/"
  expect_same "$MNT/default/shared/$BATS_TEST_NUMBER/copy"
  echo more >>"$PLAIN/source/tree/large"
  rm "$PLAIN/source/tree/a/9" "$PLAIN/source/tree/seven"
  setfacl -b "$PLAIN/source/tree/a/1"
  setfattr -x user.color "$PLAIN/source/tree/large"
  "${rsync[@]}" --delete "$PLAIN/source/" "$HERE/copy/"
  expect_same "$HERE/copy"
  "${rsync[@]/-aHAXS/-aHAX}" --delete --inplace "$HERE/copy/" "$MNT/default/shared/$BATS_TEST_NUMBER/copy/"
  expect_same "$MNT/default/shared/$BATS_TEST_NUMBER/copy"
}

@test "tar and cp carry everything there and back" {
  local tar=(limit 60 tar --xattrs --xattrs-include='*' --acls --numeric-owner --sparse --format=posix)
  mkdir "$PLAIN/source" "$PLAIN/back"
  make_variety "$PLAIN/source"
  rm "$PLAIN/source/socket" "$PLAIN/source/tree/fifo"  # tar stores no sockets, and two names of a fifo as two
  "${tar[@]}" -C "$PLAIN/source" -cf "$HERE/one.tar" .
  limit 10 mkdir "$HERE/tar"
  "${tar[@]}" -C "$HERE/tar" -xpf "$HERE/one.tar"
  expect_same "$HERE/tar"
  expect_same "$THERE/tar"
  "${tar[@]}" -C "$HERE/tar" --compare -f "$HERE/one.tar"
  "${tar[@]}" -C "$HERE/tar" -cf "$PLAIN/two.tar" .
  "${tar[@]}" -C "$PLAIN/back" -xpf "$PLAIN/two.tar"
  expect_same "$PLAIN/back"
  limit 60 cp -a "$PLAIN/source" "$HERE/cp"
  expect_same "$HERE/cp"
  limit 60 cp -a "$HERE/cp" "$HERE/again"
  expect_same "$HERE/again"
}

@test "a compiler and make build in it, and what they built runs from it" {
  local number
  {
    printf 'CFLAGS = -O1 -fPIC -MMD\nOBJECTS = $(patsubst %%.c,%%.o,$(wildcard f*.c))\n'
    printf 'program: main.o libf.so\n\t$(CC) -o $@ main.o -L. -lf -Wl,-rpath,$(CURDIR)\n'
    printf 'libf.so: $(OBJECTS)\n\t$(CC) -shared -o $@ $^\n-include *.d\n'
  } | store "$HERE/Makefile"
  for number in $(seq 20); do
    printf '#include "offset.h"\nint f%s(int x) { return x + %s + OFFSET; }\n' "$number" "$number" | store "$HERE/f$number.c"
  done
  echo '#define OFFSET 0' | store "$HERE/offset.h"
  {
    echo '#include <stdio.h>'
    for number in $(seq 20); do echo "int f$number(int);"; done
    echo 'int main(void) { int x = 0;'
    for number in $(seq 20); do echo "x = f$number(x);"; done
    printf '%s\n' 'printf("%d\n", x); return 0; }'
  } | store "$HERE/main.c"
  limit 60 make -s -j 4 -C "$HERE"
  [ "$(limit 10 "$HERE/program")" = 210 ]
  # Nothing is older than what it was made of; and what changes is made again, by a name that is replaced.
  limit 60 make -q -C "$HERE"
  echo '#define OFFSET 1' | store "$HERE/offset.new"
  limit 10 mv "$HERE/offset.new" "$HERE/offset.h"
  expect_status 1 limit 60 make -q -C "$HERE"
  limit 60 make -s -j 4 -C "$HERE"
  [ "$(limit 10 "$HERE/program")" = 230 ]
}

@test "a program and a library that are in use are what they were" {
  local write='import os, sys; os.open(sys.argv[1], os.O_WRONLY)'
  local start='import os, sys; os.execv(sys.argv[1], [sys.argv[1], "60"])'
  limit 10 cp "$(command -v sleep)" "$HERE/sleep"
  spawn "$HERE/sleep" 60
  wait_for 5 is_running_from "$HERE/sleep" "$SPAWNED"
  expect_errno ETXTBSY limit 10 python3 -c "$write" "$HERE/sleep"
  expect_errno ETXTBSY limit 10 python3 -c 'import os, sys; os.truncate(sys.argv[1], 0)' "$HERE/sleep"
  limit 10 ln "$HERE/sleep" "$HERE/other"
  expect_errno ETXTBSY limit 10 python3 -c "$write" "$HERE/other"
  kill -9 "$SPAWNED"
  wait_for 5 is_gone "$SPAWNED"
  limit 10 python3 -c "$write" "$HERE/sleep"
  # Nor does a program start that somebody writes to.
  spawn python3 -c 'import os, sys, time; os.open(sys.argv[1], os.O_WRONLY); open(sys.argv[2], "w"); time.sleep(60)' \
    "$HERE/sleep" "$PLAIN/writes"
  wait_for 5 test -e "$PLAIN/writes"
  expect_errno ETXTBSY limit 10 python3 -c "$start" "$HERE/sleep"
  kill -9 "$SPAWNED"
  wait_for 5 is_gone "$SPAWNED"
  limit 10 "$HERE/sleep" 0

  # A library that is replaced while it is mapped: who has the old one keeps it, also unlinked.
  echo 'int value(void) { return 1; }' | limit 30 gcc -shared -fPIC -x c -o "$HERE/library.so" -
  spawn python3 -c '
import ctypes, os, sys, time
library = ctypes.CDLL(sys.argv[1])
open(sys.argv[2], "w")
while not os.path.exists(sys.argv[3]): time.sleep(0.01)
print("value", library.value(), flush=True)
' "$HERE/library.so" "$PLAIN/mapped" "$PLAIN/replaced"
  wait_for 10 test -e "$PLAIN/mapped"
  grep -qF " $HERE/library.so" "/proc/$SPAWNED/maps"
  echo 'int value(void) { return 2; }' | limit 30 gcc -shared -fPIC -x c -o "$HERE/library.new" -
  limit 10 mv "$HERE/library.new" "$HERE/library.so"
  : >"$PLAIN/replaced"
  wait_for 10 is_gone "$SPAWNED"
  [ "$(cat "$WORK/spawned")" = 'value 1' ]
  [ "$(limit 10 python3 -c 'import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).value())' "$HERE/library.so")" = 2 ]
}

@test "tail -f sees what others append" {
  local number
  echo 'line 0' | store "$HERE/log"
  spawn tail -f "$HERE/log"
  wait_for 10 grep -qx 'line 0' "$WORK/spawned"
  for number in $(seq 20); do echo "line $number" | append "$HERE/log"; done
  wait_for 10 grep -qx 'line 20' "$WORK/spawned"
  diff "$WORK/spawned" <(seq 0 20 | sed 's/^/line /')
  kill -9 "$SPAWNED"
}

# events_in DIRECTORY: what a watcher of it, and one of a file in it, hear of other processes.
events_in() {
  local watch=(limit 30 python3 "$BATS_TEST_DIRNAME/events.py")
  "${watch[@]}" "$1" sh -c 'cd "$1" && echo a >f && echo b >>f && mkdir d && mv f g && ln g h && chmod 600 g && touch -d yesterday g &&
    : >g && mv h d/ && rm g && rm -r d && ln -s x s && mkfifo p' sh "$1"
  echo watched | store "$1/file"
  "${watch[@]}" "$1/file" sh -c 'echo more >>"$1" && cat "$1" >/dev/null && mv "$1" "$1.old" && rm "$1.old"' sh "$1/file"
}

@test "inotify tells what other processes do, as on a plain directory" {
  events_in "$PLAIN" >"$WORK/events.plain"
  grep -qx 'MODIFY f' "$WORK/events.plain"
  grep -qx 'MODIFY' "$WORK/events.plain"
  diff "$WORK/events.plain" <(events_in "$HERE")
  diff "$WORK/events.plain" <(events_in "$MNT/default/shared/$BATS_TEST_NUMBER")
}

@test "a container has a claim as its bind mount, and sees claims that come later" {
  local name=claimfs-$$-$RANDOM
  chmod 2770 "$HOST/box"
  chgrp 2000 "$HOST/box"
  make_container "$PLAIN" "$MNT/default/box" '
    set -e
    echo from the container >/data/file
    df -k /data | tail -n 1
    stat -f -c "%S * %b" /volumes/default/data
    if echo no >/volumes/default/data/refused; then exit 1; fi
    touch /data/ready
    tries=0
    until test -d /volumes/default/later; do
      tries=$((tries + 1))
      test $tries -lt 300
      usleep 100000
    done
    echo seen >/volumes/default/later/file
    ls /volumes/default
    cat /data/from-the-host
    echo done'
  spawn runc --root "$WORK/runc" run --bundle "$PLAIN" "$name"
  wait_for 20 test -e "$HOST/box/ready"
  [ "$(cat "$HOST/box/file")" = "from the container" ]
  # With the group of the directory, as one of its groups may create there.
  [ "$(stat -c '%u %g' "$HOST/box/file")" = "1000 2000" ]
  [ "$(limit 10 cat "$MNT/default/box/file")" = "from the container" ]
  echo from the host >"$HOST/box/from-the-host"
  mkdir -m 777 "$HOST/later"
  make_volume later
  wait_for 30 test -s "$HOST/later/file"
  wait_for 20 is_gone "$SPAWNED"
  [ "$(cat "$HOST/later/file")" = seen ]
  grep -qE '^claimfs +3145728 .* /data$' "$WORK/spawned"
  # busybox takes the first mount of the same device for that of the path: not its df.
  [ "$(($(grep -F ' * ' "$WORK/spawned")))" = $((10 << 30)) ]
  grep -qx later "$WORK/spawned"
  grep -qx 'from the host' "$WORK/spawned"
  [ "$(tail -n 1 "$WORK/spawned")" = "done" ]
}

# Together, because they are to get in each other's way. Not fiemap, which no FUSE filesystem can answer.
stress() {
  local stressor known arguments=()
  known=" $(stress-ng --stressors) "
  for stressor in access chdir chmod chown copy-file dentry dir dirdeep dup fallocate fcntl filename flock fpunch fsize fstat \
    getdent hdd inotify iomix lease link locka lockf lockofd mknod mmap open rename seek sendfile symlink sync-file touch unlink \
    utime xattr; do
    if [[ "$known" == *" $stressor "* ]]; then arguments+=("--$stressor" 1); fi
  done
  [ "${#arguments[@]}" -ge 60 ]
  limit $(($2 + 60)) stress-ng "${arguments[@]}" --timeout "$2" --verify --temp-path "$1" --hdd-bytes 16M --fallocate-bytes 16M \
    --copy-file-bytes 128M --iomix-bytes 16M --seek-size 16M --sync-file-bytes 16M --mmap-bytes 16M --mmap-file \
    --dentries 200 --dirdeep-inodes 200 >"$WORK/stress" 2>&1 || { cat "$WORK/stress"; return 1; }
  # Newer ones count, older ones tell.
  if grep -E 'skip|fail' "$WORK/stress" | grep -vE '(skipped|failed): 0$'; then return 1; fi
}
stress_as_on_plain() {
  stress "$1" "$2" && return
  if stress "$PLAIN" "$2"; then echo "and on the plain directory it passes"; fi
  return 1
}

@test "stress-ng's file stressors agree with themselves" {
  stress_as_on_plain "$HERE" 8
  [ "$(limit 10 ls -A "$HERE")" = "" ]
}

@test "stress-ng's file stressors agree with themselves on a claim that is shared" {
  stress_as_on_plain "$MNT/default/shared/$BATS_TEST_NUMBER" 8
}
