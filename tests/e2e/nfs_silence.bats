#!/usr/bin/env bats
# Servers that say nothing, because they were killed, are frozen, or cannot be reached: who uses another server does not
# notice, who wants to end does, and soft volumes say that data were not taken.

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

# --- other servers

@test "whoever uses a claim on another server does not notice that three are silent" {
  serve_silent_ones
  make_nfs_volume other
  make_nfs_volume unused
  mount_node node-b
  wait_for 10 in_tree default/unused
  limit 10 dd if=/dev/urandom of="$HOST/other/large" bs=1M count=8 status=none
  limit 10 ls "$MNT/default/other"
  fall_silent
  # More than may wait in one volume.
  local name number waiting=()
  for name in "${SILENT[@]}"; do
    for number in $(seq 24); do
      spawn bash -c 'cd "$1" && echo "$2" >"$2" && cat "$2"' - "$MNT/default/$name" "$name-$number"
      waiting+=("$SPAWNED")
    done
    wait_for 10 is_waiting "$SPAWNED"
  done
  all_works_in "$MNT/default/other"
  limit 10 cmp "$MNT/default/other/large" "$HOST/other/large"
  # The first use of a claim, a claim that comes now, another node, and one that is mounted now.
  all_works_in "$MNT/default/unused"
  make_nfs_volume new
  wait_for 10 in_tree default/new
  all_works_in "$MNT/default/new"
  make_nfs_volume theirs
  wait_for 10 limit 10 test -e "$MNT.node-b/default/theirs"
  all_works_in "$MNT.node-b/default/theirs"
  make_nfs_volume latest
  mount_node node-c
  wait_for 10 limit 10 test -e "$MNT.node-c/default/latest"
  all_works_in "$MNT.node-c/default/latest"
  for name in "${SILENT[@]}"; do wait_for 20 status_shows_silence "$name"; done
  all_works_in "$MNT/default/other"
  for name in other unused new; do
    if status_shows_silence "$name"; then return 1; fi
  done
  for number in "${waiting[@]}"; do
    if is_gone "$number"; then return 1; fi
  done
  answer_again
  for number in "${waiting[@]}"; do wait_for 30 is_gone "$number"; done
  # Each has written its own, and read it.
  for name in "${SILENT[@]}"; do
    for number in $(seq 24); do echo "$name-$number"; done
  done | sort >"$WORK/expected"
  sort "$WORK/spawned" | diff "$WORK/expected" -
  for name in "${SILENT[@]}"; do cat "$HOST/$name"/*; done | sort | diff "$WORK/expected" -
}
all_works_in() { # DIRECTORY
  limit 10 python3 - "$1" <<'PY'
import os, sys
os.chdir(sys.argv[1])
text = os.urandom(300000)
file = os.open("file", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
assert os.write(file, text) == len(text)
os.fsync(file)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
assert os.pread(file, len(text) + 1, 0) == text
os.close(file)
os.rename("file", "renamed")
assert "renamed" in os.listdir(".")
os.mkdir("directory")
os.rmdir("directory")
os.unlink("renamed")
os.statvfs(".")
PY
}
status_shows_silence() { limit 10 grep -E "^default/$1 .*not responding" "$MNT/.claimfs/status"; }

# --- ending who waits

@test "the first use of a frozen server: who is killed ends, all others are told together, and then it works" {
  make_nfs_volume data
  mount_claims data
  freeze_nfs_server
  local number users=()
  for number in $(seq 6); do
    spawn cat "$MNT/default/data/absent-$number"  # the kernel itself lets one look for a name at a time
    users+=("$SPAWNED")
    wait_for 10 is_waiting "$SPAWNED"
  done
  kill -9 "${users[0]}"
  # All the others are still there then: nobody was told.
  wait_for 8 is_gone "${users[0]}"
  for number in 1 2 3 4 5; do
    if is_gone "${users[number]}"; then return 1; fi
  done
  # After ten seconds, not ten for each.
  for number in 1 2 3 4 5; do wait_for 20 is_gone "${users[number]}"; done
  [ "$(grep -o 'Input/output error' "$WORK/spawned" | wc -l)" = 5 ]
  events_told | grep -q 'FailedMount .* data '
  thaw_nfs_server
  limit 20 touch "$MNT/default/data/file"
}

@test "Ctrl-C ends whoever waits for servers that were killed, are frozen, or cannot be reached" {
  # Of one that nobody else may write it is known for a second what is not in a new directory.
  serve_silent_ones modes=ReadWriteMany
  mkfifo "$WORK/go"
  spawn python3 -c '
import os, signal, sys, time
calls = (lambda file: os.stat("absent"), lambda file: os.open("new", os.O_CREAT | os.O_WRONLY), lambda file: os.listdir("."),
         lambda file: os.pread(file, 4096, 0), lambda file: (os.write(file, b"x" * 100000), os.fsync(file)),
         lambda file: os.rename("file", "renamed"), lambda file: os.truncate("file", 5))
def call(what, directory):
    os.mkdir(directory)
    os.chdir(directory)
    with open("file", "w") as file:
        file.write("text")
    file = os.open("file", os.O_RDWR)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    # As a program that has no wish to catch it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSTOP)
    what(file)
def is_waiting(child):
    # For its answer, or for a page that somebody else has asked for.
    stack = open(f"/proc/{child}/stack").read()
    return "request_wait_answer" in stack or "folio_wait_bit" in stack
def until(what, *arguments):
    deadline = time.monotonic() + 30
    while not what(*arguments):
        assert time.monotonic() < deadline, (what, [children[each] for each in arguments])
        time.sleep(0.02)
ended = {}
def has_ended(child):
    pid, ended[child] = os.waitpid(child, os.WNOHANG)
    return pid != 0
children = {}
for directory in sys.argv[2:]:
    for number, what in enumerate(calls):
        # Each in a directory of its own: nobody waits for what another has locked in the kernel.
        child = os.fork()
        if child == 0:
            try:
                call(what, f"{directory}/{number}")
            finally:
                os._exit(1)
        children[child] = (directory, number)
        assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
print("ready", flush=True)
open(sys.argv[1]).read()
for child in children:
    os.kill(child, signal.SIGCONT)
for child in children:
    until(is_waiting, child)
for child in children:
    os.kill(child, signal.SIGINT)
for child in children:
    until(has_ended, child)
    assert os.WIFSIGNALED(ended[child]) and os.WTERMSIG(ended[child]) == signal.SIGINT, (children[child], ended[child])
print("ended", len(children))
' "$WORK/go" "${SILENT[@]/#/$MNT/default/}"
  wait_for 60 grep -qx ready "$WORK/spawned"
  fall_silent
  limit 10 bash -c ': >"$1"' - "$WORK/go"
  wait_for 60 is_gone "$SPAWNED"
  grep -qx 'ended 21' "$WORK/spawned"
  answer_again
  local name
  for name in "${SILENT[@]}"; do wait_for 30 limit 20 touch "$MNT/default/$name/3/again"; done
}

# --- soft

@test "an open file that a killed unlink has given a hidden name goes when it is closed" {
  start_fault_proxy
  make_nfs_volume data port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT"
  mount_claims data
  echo text | limit 10 tee "$MNT/default/data/file"
  spawn tail -f "$MNT/default/data/file"
  local holder=$SPAWNED
  wait_for 10 grep -qx text "$WORK/spawned"
  fault drop RENAME 1
  spawn unlink "$MNT/default/data/file"
  wait_for 10 has_hidden_name
  kill -9 "$SPAWNED"
  wait_for 10 is_gone "$SPAWNED"
  has_hidden_name
  kill -9 "$holder"
  wait_for 10 has_no_hidden_name
  [ -z "$(ls -A "$HOST/data")" ]
}
has_hidden_name() { compgen -G "$HOST/data/.nfs*" >/dev/null; }
has_no_hidden_name() { ! has_hidden_name; }

@test "on a soft volume fsync and close say ETIMEDOUT, each open once, and later ones that all is well" {
  make_nfs_volume data options='soft, timeo=10, retrans=1'
  mount_claims data
  DATA=$MNT/default/data
  mkfifo "$WORK/go"
  spawn python3 -c '
import errno, os, sys, time
os.chdir(sys.argv[1])
def times_out(what, *arguments):
    began = time.monotonic()
    try:
        what(*arguments)
    except OSError as error:
        assert error.errno == errno.ETIMEDOUT, error
    else:
        sys.exit(f"{what.__name__} has worked")
    return time.monotonic() - began
synced, beside, closed = (os.open(name, os.O_RDWR | os.O_CREAT) for name in ("synced", "synced", "closed"))
for file in synced, closed:
    os.write(file, b"safe")
    os.fsync(file)
print("ready", flush=True)
open(sys.argv[2]).read()
for file in synced, closed:
    assert os.write(file, b"x" * 10000) == 10000
assert times_out(os.fsync, synced) > 1.5
# It has been told, and nothing is left that could fail.
began = time.monotonic()
try:
    os.fsync(synced)
except OSError as error:
    sys.exit(f"told again after {time.monotonic() - began} s: {error}")
# Who has it open beside him has not.
times_out(os.fsync, beside)
os.fsync(beside)
times_out(os.close, closed)
times_out(os.stat, "absent")
print("told", flush=True)
open(sys.argv[2]).read()
os.pwrite(synced, b"again", 0)
os.fsync(synced)
os.close(synced)
os.close(beside)
assert open("synced").read(5) == "again"
print("complete")
' "$DATA" "$WORK/go"
  wait_for 20 grep -qx ready "$WORK/spawned"
  freeze_nfs_server
  limit 10 bash -c ': >"$1"' - "$WORK/go"
  wait_for 40 grep -qx told "$WORK/spawned"
  thaw_nfs_server
  wait_for 20 limit 10 ls "$DATA/closed"
  limit 10 bash -c ': >"$1"' - "$WORK/go"
  wait_for 20 is_gone "$SPAWNED"
  grep -qx complete "$WORK/spawned"
  [ "$(head -c 5 "$HOST/data/synced")" = again ]
}
