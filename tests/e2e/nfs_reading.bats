#!/usr/bin/env bats
# Files that are read in order from an NFS server that is some way off: what follows is asked for before it is wanted, and
# what is told is what is there.

# shellcheck disable=SC2016  # programs of Python

load mount.bash
load nfs.bash

setup() {
  make_workspace
  start_nfs_server
  start_fault_proxy
}
teardown() {
  show_log_of_failure
  fault pass >/dev/null 2>&1 || true
  thaw_nfs_server 2>/dev/null || true
  drop_workspace
}

# serve K=V…: the claim "data", its server 10 ms away, and in it the FILE of 64 parts of half a MiB, each of which tells its
# number and "first".
serve() {
  make_nfs_volume data port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT" "$@"
  mount_claims data
  FILE=$MNT/default/data/file
  write_file "$FILE" first
  sync "$FILE"
  fault delay 0.01
}

# For programs: parts of a file.
PARTS='
import fcntl, mmap, os, sys
SIZE, COUNT = 1 << 19, 64
def part(number, word):
    return (f"{word} {number} ".encode() * SIZE)[:SIZE]
def read(file, numbers, word):
    for number in numbers:
        text = os.pread(file, SIZE, number * SIZE)
        assert text == part(number, word), f"part {number} is {text[:12]}, {len(text)} bytes, not {word}"
def forget(file):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
'
write_file() { # PATH WORD
  limit 60 python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
for number in range(COUNT):
    os.pwrite(file, part(number, sys.argv[2]), number * SIZE)
os.close(file)
' "$@"
}
read_file() { # PATH WORD
  limit 60 python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_RDONLY)
forget(file)
read(file, range(COUNT), sys.argv[2])
' "$@"
}

@test "what follows in a file is asked for before it is wanted" {
  serve
  fault procedures >/dev/null
  fault waiting READ >/dev/null
  read_file "$FILE" first
  # The kernel alone waits for two to four.
  local together calls
  together=$(fault waiting READ)
  [ "$together" -ge 6 ] || { echo "$together at once"; return 1; }
  # Nothing is asked for twice, and nothing behind the end.
  calls=$(fault procedures)
  [[ $calls =~ READ=([0-9]+) ]]
  [ "${BASH_REMATCH[1]}" -le 72 ] || { echo "$calls"; return 1; }
}

@test "nothing is asked for before it is wanted by who reads here and there, or past the cache" {
  serve
  local together
  fault waiting READ >/dev/null
  limit 60 python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_RDONLY)
forget(file)
for number in range(COUNT):
    read(file, [number * 37 % COUNT], "first")
    forget(file)
' "$FILE"
  together=$(fault waiting READ)
  [ "$together" -le 5 ] || { echo "$together at once"; return 1; }
  limit 60 python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(file, fcntl.F_SETFL, os.O_DIRECT)
place = mmap.mmap(-1, SIZE)
for number in range(COUNT):
    assert os.preadv(file, [place], number * SIZE) == SIZE
    assert place[:] == part(number, "first"), number
' "$FILE"
  [ "$(fault waiting READ)" = 1 ]
}

@test "a reader in order sees what this node writes meanwhile" {
  serve
  limit 60 python3 -c "$PARTS"'
def write(file, number, word):
    assert os.pwrite(file, part(number, word), number * SIZE) == SIZE
def write_by_another(file, number, word):
    other = os.open(sys.argv[1], os.O_WRONLY)
    write(other, number, word)
    os.close(other)
for flags, act in (os.O_RDWR, write), (os.O_RDWR, write_by_another), (os.O_RDONLY, write_by_another):
    file = os.open(sys.argv[1], flags)
    forget(file)
    read(file, range(39), "first")
    act(file, 42, "second")
    # What is cached would not be read again.
    forget(file)
    read(file, range(39, 42), "first")
    read(file, [42], "second")
    read(file, range(43, 50), "first")
    os.truncate(sys.argv[1], 52 * SIZE)
    read(file, range(50, 52), "first")
    assert os.pread(file, SIZE, 52 * SIZE) == b""
    for number in 42, *range(52, COUNT):
        write_by_another(file, number, "first")
    read(file, range(52, COUNT), "first")
' "$FILE"
}

@test "a reader in order sees what another node has written before the next open" {
  serve modes=ReadWriteMany
  mount_node node-b
  mkfifo "$WORK/go"
  spawn python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_RDONLY)
forget(file)
read(file, range(30), "first")
print("half", flush=True)
open(sys.argv[2]).read()
new = os.open(sys.argv[1], os.O_RDONLY)
read(file, range(30, COUNT), "second")
read(new, range(COUNT), "second")
print("complete")
' "$FILE" "$WORK/go"
  wait_for 30 grep -qx half "$WORK/spawned"
  write_file "$MNT.node-b/default/data/file" second
  limit 10 bash -c ': >"$1"' - "$WORK/go"
  wait_for 60 is_gone "$SPAWNED"
  grep -qx complete "$WORK/spawned"
}

@test "whatever another node changes before a reader in order" {
  serve modes=ReadWriteMany
  mount_node node-b
  fault delay 0.002
  local seed=$RANDOM
  limit 120 python3 "$BATS_TEST_DIRNAME/reading_model.py" "$FILE" "$MNT.node-b/default/data/file" "$seed" 100 ||
    { echo "seed $seed"; return 1; }
  [ "$(fault waiting READ)" -ge 6 ]
}

@test "a reader in order goes on when his server has crashed, and ends when he is killed" {
  serve
  spawn python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_RDONLY)
for time in range(20):
    forget(file)
    read(file, range(COUNT), "first")
    print("read", flush=True)
' "$FILE"
  local time
  for time in 1 2 3; do
    wait_for 60 has_read $((time * 5))
    kill_nfs_server
    restart_nfs_server
  done
  wait_for 60 is_gone "$SPAWNED"
  has_read 20 || { cat "$WORK/spawned"; return 1; }
  # While he waits for what was asked for before.
  spawn python3 -c "$PARTS"'
file = os.open(sys.argv[1], os.O_RDONLY)
while True:
    forget(file)
    read(file, range(COUNT), "first")
    print("again", flush=True)
' "$FILE"
  wait_for 30 grep -qx again "$WORK/spawned"
  fault stall
  kill -9 "$SPAWNED"
  wait_for 10 is_gone "$SPAWNED"
  fault pass
  read_file "$FILE" first
}
has_read() { [ "$(grep -cx read "$WORK/spawned")" -ge "$1" ]; }
