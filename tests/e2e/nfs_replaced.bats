#!/usr/bin/env bats
# What a server does not know any more by the handle that we have: files and exports that others have taken the place of,
# files that have moved; and data that a server never took.

# shellcheck disable=SC2016,SC2153  # programs of bash and Python; HOST is mount.bash's

load mount.bash
load nfs.bash

setup() { make_workspace; }
teardown() {
  show_log_of_failure
  thaw_nfs_server 2>/dev/null || true
  drop_workspace
}

serve() {
  start_nfs_server
  make_nfs_volume data
  mount_claims data
  DATA=$MNT/default/data
  limit 10 ls "$DATA"
}
# A copy takes the place of FILE or DIRECTORY: the same paths, other inodes.
replace() {
  cp -a "$1" "$1.copy"
  rm -r "$1"
  mv "$1.copy" "$1"
}

@test "a file and a directory that were replaced on the server are found by their paths" {
  serve
  limit 10 mkdir "$DATA/directory"
  echo one >"$DATA/directory/inner"
  echo one >"$DATA/file"
  limit 10 cat "$DATA/file" "$DATA/directory/inner"
  kill_nfs_server
  replace "$HOST/data/file"
  replace "$HOST/data/directory"
  restart_nfs_server
  limit 10 bash -c 'echo two >>"$1/file" && echo two >>"$1/directory/inner"' - "$DATA"
  [ "$(limit 10 cat "$DATA/file")" = $'one\ntwo' ]
  [ "$(limit 10 cat "$DATA/directory/inner")" = $'one\ntwo' ]
  [ "$(cat "$HOST/data/file")" = $'one\ntwo' ]
  limit 10 stat "$DATA/file" "$DATA/directory/inner"
  limit 10 rm "$DATA/file" "$DATA/directory/inner"
  limit 10 rmdir "$DATA/directory"
  # The export is the same: nobody is told anything.
  expect_no_text 'was replaced' "$(events_told)"
}
expect_no_text() { [[ "$2" != *"$1"* ]] || { echo "has: $1"; return 1; }; }

@test "an export that was replaced on its server works again without being unmounted, and an event says so once" {
  serve
  limit 10 mkdir "$DATA/directory"
  echo inner >"$DATA/directory/inner"
  echo text >"$DATA/file"
  exec 7<"$DATA/file"
  limit 5 cat <&7 >/dev/null
  kill_nfs_server
  replace "$HOST/data"
  restart_nfs_server
  [ "$(limit 20 ls "$DATA" | sort | tr '\n' ' ')" = 'directory file ' ]
  [ "$(limit 10 cat "$DATA/file")" = text ]
  [ "$(limit 10 cat "$DATA/directory/inner")" = inner ]
  echo new | limit 10 dd of="$DATA/new" conv=fsync status=none
  [ "$(cat "$HOST/data/new")" = new ]
  limit 10 mv "$DATA/new" "$DATA/directory/new"
  limit 10 rm -r "$DATA/directory"
  [ "$(cd "$HOST/data" && echo *)" = file ]
  limit 10 df "$DATA"
  # Who had it open is told that it is not that file any more.
  expect_errno ESTALE limit 10 python3 -c 'import os; os.posix_fadvise(7, 0, 0, os.POSIX_FADV_DONTNEED); os.read(7, 10) or os.pread(7, 10, 0)'
  exec 7<&-
  wait_for 10 is_told VolumeConditionAbnormal data "nfs: the export 127.0.0.1:$EXPORTS/open/data was replaced on its \
server: what was open is stale, paths lead to what is there now"
  [ "$(grep -c 'volume=abnormal claim=default/data' "$LOG")" = 1 ]
  # And again.
  kill_nfs_server
  replace "$HOST/data"
  restart_nfs_server
  wait_for 20 limit 10 cat "$DATA/file"
  wait_for 10 is_logged_twice
  # Nothing of it is in use: it can be unmounted as ever.
  limit 30 "$CLAIMFS_BIN" --config "$CONFIG" --state "$STATE" unmount "$MNT"
}
is_logged_twice() { [ "$(grep -c 'volume=abnormal claim=default/data' "$LOG")" = 2 ]; }

# --- a server with subtree_check

serve_subtrees() {
  local port
  read -r port < <(free_ports 1)
  spawn python3 "$BATS_TEST_DIRNAME/subtree_server.py" "$port" "$WORK/asked" "$@"
  wait_for 10 rpc_null "$port" 100003
  make_nfs_volume data path=/tree directory=no port="$port" mountPort="$port"
  mount_claims data
  DATA=$MNT/default/data
  limit 10 ls "$DATA"
}

@test "files that a server calls otherwise after a move: descriptors and names go on with the same file" {
  serve_subtrees
  limit 30 python3 - "$DATA" <<'PY'
import os, sys
os.chdir(sys.argv[1])
for name in ("a", "b", "a/deep"):
    os.mkdir(name)
file = os.open("a/file", os.O_RDWR | os.O_CREAT)
number = os.fstat(file).st_ino
os.write(file, b"begun ")
os.rename("a/file", "b/moved")                       # with data that has not been sent
os.write(file, b"here ")
os.fsync(file)
assert os.pread(file, 100, 0) == b"begun here "
os.fchmod(file, 0o640)
seen = os.stat("b/moved")
assert (seen.st_ino, seen.st_size, seen.st_mode & 0o777) == (number, 11, 0o640), seen
assert open("b/moved").read() == "begun here "
os.rename("b/moved", "a/deep/again")
os.write(file, b"and there")
os.fsync(file)
os.rename("a/deep/again", "a/file")                  # and home
assert os.pread(file, 100, 0) == b"begun here and there"
assert os.fstat(file).st_ino == os.stat("a/file").st_ino == number
os.rename("a/deep", "b/deep")
with open("b/other", "w") as other:
    other.write("other")
os.rename("b/other", "a/file")                       # over one that is open
assert os.pread(file, 100, 0) == b"begun here and there"
assert open("a/file").read() == "other"
os.close(file)
assert sorted(os.listdir("a")) == ["file"] and sorted(os.listdir("b")) == ["deep"]
# Known by name only: the kernel remembers its node.
os.rename("a/file", "b/deep/file")
os.chmod("b/deep/file", 0o600)
assert open("b/deep/file").read() == "other"
PY
}

@test "a server that keeps its handles is asked what it calls a moved file once" {
  serve_subtrees keep
  limit 10 mkdir "$DATA/a" "$DATA/b"
  limit 10 touch "$DATA/a/1" "$DATA/a/2"
  limit 10 mv "$DATA/a" "$DATA/b/a" # a directory says nothing of files
  [ "$(last_asked_by_move b/a/1 b/1)" = LOOKUP ]
  [ "$(last_asked_by_move b/a/2 b/2)" = RENAME ]
  [ "$(last_asked_by_move b/1 1)" = RENAME ]
}
# What the server was asked last by rename(2) itself.
last_asked_by_move() {
  limit 10 python3 -c '
import os, sys
directory, source, target, asked = sys.argv[1:]
os.rename(f"{directory}/{source}", f"{directory}/{target}")
print(open(asked).read().split()[-1])
' "$DATA" "$1" "$2" "$WORK/asked"
}

# --- a reply that is lost, and a server that asks for a moment when it is asked again

@test "what was done before its reply was lost is done, although the server first asks for a moment" {
  serve_subtrees RMDIR
  limit 10 mkdir "$DATA/directory"
  limit 20 rmdir "$DATA/directory"
  [ "$(grep -c RMDIR "$WORK/asked")" = 3 ]
}

# --- what a server never took

@test "a file that is emptied by O_TRUNC or ftruncate before its data has gone: that is never sent" {
  # Where room is accounted, what data occupies has to be known before it is cut off.
  printf 'log: {level: info, file: "%s"}\ncapacity: {enforcement: none}\n' "$LOG" >"$CONFIG"
  serve_subtrees
  # Data rests for a second for more to come: on a machine that stops for so long, again.
  wait_for 30 sends_nothing_that_is_cut_off
}
sends_nothing_that_is_cut_off() {
  limit 10 python3 - "$DATA" "$WORK/asked" <<'PY'
import os, sys
directory, asked = sys.argv[1:]
before = open(asked).read().count("WRITE")
file = os.open(f"{directory}/file", os.O_RDWR | os.O_CREAT)
os.write(file, b"nobody needs this")
os.ftruncate(file, 0)
os.write(file, b"nor this")
os.close(os.open(f"{directory}/file", os.O_RDWR | os.O_TRUNC))
sent = open(asked).read().count("WRITE") - before
os.write(file, b"this")
os.close(file)
assert open(f"{directory}/file").read() == "\0" * 25 + "this"
assert sent == 0, sent
PY
}

@test "data that a frozen server has not taken when the tree is unmounted is told of, with how much it was" {
  serve
  mkfifo "$WORK/go"
  spawn python3 -c '
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print("open", flush=True)
os.read(os.open(sys.argv[2], os.O_RDONLY), 1)
os.write(file, b"x" * 3000000)
print("written", flush=True)
os.close(file)
' "$DATA/file" "$WORK/go"
  local writer=$SPAWNED
  wait_for 10 grep -qx open "$WORK/spawned"
  freeze_nfs_server
  echo >"$WORK/go"
  wait_for 10 grep -qx written "$WORK/spawned"
  wait_for 10 is_waiting "$writer"
  kill -9 "$writer"
  wait_for 10 is_gone "$writer"
  limit 40 "$CLAIMFS_BIN" --config "$CONFIG" --state "$STATE" unmount "$MNT"
  wait_for 30 no_daemon
  thaw_nfs_server
  expect_text 'written bytes of 1 file are lost, the server has not taken them: ' "$(grep 'volume=abnormal claim=default/data' "$LOG")"
  expect_text 'written bytes of 1 file are lost' "$(events_told)"
}

# Two thousand names, of which each is listed once, and two that come meanwhile.
list_while_names_come() {
  limit 60 python3 - "$DATA" <<'PY'
import os, sys
os.chdir(sys.argv[1])
names = {f"{number:04}" for number in range(2000)}
for name in names:
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
seen = []
for entry in os.scandir("."):
    seen.append(entry.name)
    if len(seen) in (10, 1000):
        os.close(os.open(f"new{len(seen)}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
assert len(seen) == len(set(seen)) and names <= set(seen), (len(seen), len(set(seen)))
PY
}

@test "a server that goes on with a listing only while nothing changes: it is gone on with all the same" {
  serve_subtrees verify
  list_while_names_come
  grep -qx BAD_COOKIE "$WORK/asked"
}

@test "a server that begins anew with a listing when anything changes: its place is found, also where names have gone" {
  serve_subtrees strict
  list_while_names_come
  grep -qx BAD_COOKIE "$WORK/asked"
  limit 60 python3 - "$DATA" <<'PY'
import os, sys
os.chdir(sys.argv[1])
# As rm -r does: what was listed last has gone, too, when it goes on.
removed = 0
for entry in os.scandir("."):
    os.unlink(entry.name)
    removed += 1
assert removed == 2002 and os.listdir(".") == [], removed
PY
}

@test "what is written while a file's time is on its way to the server goes after it" {
  serve_subtrees SETATTR
  limit 60 python3 - "$DATA/file" "$WORK/asked" <<'PY'
import os, sys, time
path, asked = sys.argv[1:]
file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
os.utime(file, (1, 2))
# It goes by itself, its reply is lost, and it has to come twice more.
while "SETATTR" not in open(asked).read():
    time.sleep(0.001)
os.write(file, b"text")
os.close(file)
order = [word for word in open(asked).read().split() if word in ("SETATTR", "WRITE")]
assert order == ["SETATTR"] * 3 + ["WRITE"], order
PY
}
