#!/usr/bin/env bats
# NFS servers that are killed, frozen, cut off and restarted: who waits loses nothing, who must not wait does not, whoever
# uses something else does not notice, and everybody who asks is told what is down.

# shellcheck disable=SC2016,SC2153  # programs of bash and Python; HOST is mount.bash's

load mount.bash
load nfs.bash

setup() {
  make_workspace
  LOCAL=$HOST  # where directories of this host are; HOST becomes the server's
  start_nfs_server
}
teardown() {
  show_log_of_failure
  fault pass >/dev/null 2>&1 || true
  thaw_nfs_server 2>/dev/null || true
  kill -CONT "$(daemon_pid)" 2>/dev/null || true
  drop_workspace
}

# serve K=V…: the claim "data" on the server, and "local" beside it on the host.
serve() {
  make_nfs_volume data "$@"
  make_volume local path="$LOCAL/local"
  mount_claims data local
  DATA=$MNT/default/data
  limit 10 ls "$DATA"
}
# Work that checks itself: numbered files, each written, fsynced and read again; then listed in LIST.
spawn_writer() { # DIRECTORY LIST COUNT
  spawn python3 -c '
import os, sys
directory, done, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
listed = os.open(done, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in range(count):
    text = (f"{number} " * 4000).encode()
    file = os.open(f"{directory}/{number}", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    assert os.write(file, text) == len(text)
    os.fsync(file)
    assert os.pread(file, len(text) + 1, 0) == text
    os.close(file)
    if number % 3 == 0:
        os.rename(f"{directory}/{number}", f"{directory}/moved-{number}")
    if number % 7 == 0:
        os.mkdir(f"{directory}/made-{number}")
        os.rmdir(f"{directory}/made-{number}")
    os.write(listed, f"{number}\n".encode())
print("complete")
' "$@"
}
has_listed() { [ "$(wc -l <"$1")" -ge "$2" ]; }
# Every file that LIST names is in DIRECTORY, whole.
expect_listed() { # DIRECTORY LIST
  python3 - "$@" <<'PY'
import os, sys
directory, done = sys.argv[1:]
for number in map(int, open(done)):
    names = [name for name in (f"{number}", f"moved-{number}") if os.path.exists(f"{directory}/{name}")]
    assert names, f"{number} is missing"
    text = open(f"{directory}/{names[0]}").read()
    assert text == f"{number} " * 4000, f"{names[0]} has {len(text)} bytes"
PY
}
# Another claim answers at once.
expect_local_works() {
  local before=${EPOCHREALTIME/./}
  echo text | limit 5 dd of="$MNT/default/local/file" status=none
  [ "$(limit 5 cat "$MNT/default/local/file")" = text ]
  limit 5 ls "$MNT/default" >/dev/null
  [ $((${EPOCHREALTIME/./} - before)) -lt 2000000 ]
}
is_told_of_silence() { events_told | grep -E 'VolumeConditionAbnormal [0-9]+ data nfs: server 127.0.0.1 not responding, still trying'; }
status_shows_none_silent() { ! status_shows_silence; }
still_runs() { ! is_gone "$1"; }
status_shows_silence() { limit 10 grep -E '^default/data .*not responding' "$MNT/.claimfs/status"; }

@test "a server is killed and restarted under load, five times: no error and no loss" {
  serve
  spawn_writer "$DATA" "$WORK/listed" 600
  local writer=$SPAWNED round
  for round in 1 2 3 4 5; do
    wait_for 60 has_listed "$WORK/listed" $((round * 40))
    kill_nfs_server
    expect_local_works
    restart_nfs_server
  done
  wait_for 120 is_gone "$writer"
  grep -qx complete "$WORK/spawned"
  expect_listed "$DATA" "$WORK/listed"
  expect_listed "$HOST/data" "$WORK/listed"
  [ "$(wc -l <"$WORK/listed")" = 600 ]
}

@test "a frozen server: other claims go on, status and an event say so, and it goes on where it was" {
  serve
  limit 10 dd if=/dev/zero of="$DATA/file" bs=1M count=4 conv=fsync status=none
  freeze_nfs_server
  spawn bash -c 'head -c 3000000 /dev/urandom >"$1/late" && echo through' - "$DATA"
  local late=$SPAWNED round
  for round in 1 2 3; do expect_local_works; done
  wait_for 20 status_shows_silence
  wait_for 20 is_told_of_silence
  still_runs "$late"
  thaw_nfs_server
  wait_for 30 is_gone "$late"
  grep -qx through "$WORK/spawned"
  [ "$(stat -c %s "$HOST/data/late")" = 3000000 ]
  wait_for 20 grep -q 'server=answers' "$LOG"
  expect_text 'nfs: server 127.0.0.1 OK' "$(events_told)"
  wait_for 5 status_shows_none_silent
}

@test "Ctrl-C, SIGTERM and kill -9 end whoever waits for a frozen server, at once" {
  serve
  limit 10 dd if=/dev/zero of="$DATA/file" bs=1M count=1 conv=fsync status=none
  freeze_nfs_server
  local signal
  for signal in INT TERM KILL; do
    spawn_interruptible cat "$DATA/$signal"
    wait_for 5 is_waiting "$SPAWNED"
    kill -"$signal" "$SPAWNED"
    wait_for 3 is_gone "$SPAWNED"
  done
  # Also when a signal that does no harm came first: the kernel tells of the first one only.
  spawn python3 -c 'import os, signal, sys; signal.signal(signal.SIGUSR1, lambda *_: None); os.stat(sys.argv[1])' "$DATA/usr1"
  wait_for 5 is_waiting "$SPAWNED"
  kill -USR1 "$SPAWNED"
  wait_for 5 has_pending "$SPAWNED"
  kill -KILL "$SPAWNED"
  wait_for 3 is_gone "$SPAWNED"
}
has_pending() { ! grep -q '^SigPnd:.0*$' "/proc/$1/status" || ! grep -q '^ShdPnd:.0*$' "/proc/$1/status"; }

@test "readers get their own bytes while others beside them are killed" {
  serve
  python3 - "$HOST/data" "$DATA" <<'PY'
import concurrent.futures, mmap, os, random, signal, sys
there, here = sys.argv[1:]
SIZE, PIECE = 4 << 20, 1 << 20
for number in range(8):
    with open(f"{there}/{number}", "wb") as file:
        file.write(f"{number:07} ".encode() * (SIZE // 8))
def read_all(number):
    expected = f"{number:07} ".encode() * (PIECE // 8)
    file = os.open(f"{here}/{number}", os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, PIECE)
    for at in range(0, SIZE, PIECE):
        assert os.preadv(file, [buffer], at) == PIECE and buffer[:] == expected, f"file {number} at {at}"
    os.close(file)
def read_and_be_killed(chance):
    child = os.fork()
    if child == 0:
        try:
            while True:
                read_all(chance.randrange(8))
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
    try:
        signal.sigtimedwait([], chance.uniform(0.001, 0.02))
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "a reader has ended by itself"
seed = random.randrange(1 << 32)
print("seed", seed)
with concurrent.futures.ProcessPoolExecutor(6) as pool:
    killing = [pool.submit(read_and_be_killed, random.Random(seed + number)) for number in range(400)]
    reading = [pool.submit(read_all, number % 8) for number in range(200)]
    for each in killing + reading:
        each.result(timeout=100)
PY
}

@test "nor does it matter that the daemon had no time to take the request before the signal came" {
  serve
  local daemon signal
  local -A callers
  daemon=$(daemon_pid)
  # In the directory already, so that their requests are for the server.
  for signal in INT TERM KILL; do
    spawn_interruptible python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.chdir(sys.argv[1])
os.kill(os.getpid(), signal.SIGSTOP)
os.stat(sys.argv[2])' "$DATA" "$signal"
    callers[$signal]=$SPAWNED
    wait_for 20 is_stopped "$SPAWNED"
  done
  freeze_nfs_server
  for signal in INT TERM KILL; do
    stop_process "$daemon"
    kill -CONT "${callers[$signal]}"
    wait_for 5 is_waiting "${callers[$signal]}"
    kill -"$signal" "${callers[$signal]}"
    wait_for 5 is_told "${callers[$signal]}"
    kill -CONT "$daemon"
    wait_for 3 is_gone "${callers[$signal]}"
  done
}
# Some are gone at once: the kernel takes their request back.
is_told() { is_gone "$1" || has_pending "$1"; }

@test "a signal that a program catches does not end its write, however long the server takes" {
  serve
  freeze_nfs_server
  spawn python3 -c '
import os, signal, sys
count = 0
def caught(*_):
    global count
    count += 1
signal.signal(signal.SIGUSR1, caught)
signal.siginterrupt(signal.SIGUSR1, True)
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
assert os.write(file, b"text" * 100000) == 400000
os.fsync(file)
print("whole, after signals:", count > 0)
' "$DATA/file"
  local writer=$SPAWNED
  wait_for 5 is_waiting "$writer"
  kill -USR1 "$writer"
  wait_for 5 has_pending "$writer"
  # Longer than who asks to end would wait.
  wait_for 20 status_shows_silence
  still_runs "$writer"
  thaw_nfs_server
  wait_for 20 is_gone "$writer"
  grep -qx 'whole, after signals: True' "$WORK/spawned"
}

@test "a program that catches SIGTERM is given up after some seconds" {
  serve
  freeze_nfs_server
  spawn python3 -c '
import os, signal, sys
def caught(*_):
    print("asked to end")
    sys.exit(3)
signal.signal(signal.SIGTERM, caught)
os.stat(sys.argv[1])
' "$DATA/file"
  wait_for 5 is_waiting "$SPAWNED"
  kill -TERM "$SPAWNED"
  wait_for 15 is_gone "$SPAWNED"
  grep -qx 'asked to end' "$WORK/spawned"
}

@test "a soft volume answers ETIMEDOUT at its deadline, and works again afterwards" {
  serve options='soft, timeo=10, retrans=1'
  limit 10 touch "$DATA/file"
  freeze_nfs_server
  local before=${EPOCHREALTIME/./}
  expect_errno ETIMEDOUT limit 15 ls "$DATA/absent"
  [ $((${EPOCHREALTIME/./} - before)) -ge 1500000 ]
  expect_local_works
  thaw_nfs_server
  wait_for 10 limit 10 touch "$DATA/again"
}

@test "the tree is unmounted while a server is frozen, and the daemon ends" {
  serve
  limit 10 touch "$DATA/file"
  freeze_nfs_server
  spawn cat "$DATA/absent"
  wait_for 5 is_waiting "$SPAWNED"
  kill -9 "$SPAWNED"
  wait_for 5 is_gone "$SPAWNED"
  limit 20 "$CLAIMFS_BIN" --config "$CONFIG" --state "$STATE" unmount "$MNT"
  wait_for 10 is_not_mounted
  wait_for 20 no_daemon
}

@test "kill -9 of the daemon under load: what was fsynced is on the server" {
  serve
  spawn_writer "$DATA" "$WORK/listed" 100000
  wait_for 60 has_listed "$WORK/listed" 100
  kill -9 "$(daemon_pid)"
  wait_for 20 is_gone "$SPAWNED"
  expect_listed "$HOST/data" "$WORK/listed"
}

@test "kill -9 of the server and of the daemon at once: what was fsynced is there after both came back" {
  serve
  spawn_writer "$DATA" "$WORK/listed" 100000
  wait_for 60 has_listed "$WORK/listed" 60
  kill_nfs_server
  kill -9 "$(daemon_pid)"
  wait_for 20 is_gone "$SPAWNED"
  restart_nfs_server
  umount -l "$MNT" 2>/dev/null || true
  mount_claims data
  expect_listed "$DATA" "$WORK/listed"
}

@test "a server that is down when its claim is first used: an error that says so, and it works when it is up" {
  make_nfs_volume data
  kill_nfs_server
  mount_claims data
  DATA=$MNT/default/data
  expect_errno EIO limit 60 ls "$DATA"
  wait_for 5 tells_of_mount
  restart_nfs_server
  wait_for 20 limit 20 ls "$DATA"
}
tells_of_mount() { events_told | grep -E 'FailedMount [0-9]+ data MountVolume.SetUp failed for volume "pv-data" : '; }

# --- what happens between the two

serve_by_proxy() {
  start_fault_proxy
  serve port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT"
}

@test "connections are cut under load, again and again: no error and no loss" {
  serve_by_proxy
  spawn_writer "$DATA" "$WORK/listed" 300
  local writer=$SPAWNED round
  for round in 1 2 3 4 5 6; do
    wait_for 60 has_listed "$WORK/listed" $((round * 30))
    fault cut
  done
  wait_for 120 is_gone "$writer"
  grep -qx complete "$WORK/spawned"
  expect_listed "$HOST/data" "$WORK/listed"
}

@test "the reply to what is done is lost: asking again is no error" {
  serve_by_proxy
  fault drop CREATE 1
  limit 20 bash -c 'set -C; : >"$1"' - "$DATA/exclusive"
  fault drop MKDIR 1
  limit 20 mkdir "$DATA/directory"
  fault drop SYMLINK 1
  limit 20 ln -s target "$DATA/symlink"
  fault drop LINK 1
  limit 20 ln "$DATA/exclusive" "$DATA/linked"
  fault drop RENAME 1
  limit 20 mv "$DATA/exclusive" "$DATA/renamed"
  fault drop REMOVE 1
  limit 20 rm "$DATA/renamed"
  fault drop RMDIR 1
  limit 20 rmdir "$DATA/directory"
  fault drop WRITE 1
  echo text | limit 20 dd of="$DATA/linked" conv=fsync status=none
  fault drop COMMIT 1
  echo text | limit 20 dd of="$DATA/linked" conv=fsync status=none
  [ "$(cat "$HOST/data/linked")" = text ]
  [ "$(cd "$HOST/data" && echo *)" = 'linked symlink' ]
  # And what is an error stays one.
  expect_errno EEXIST limit 20 mkdir "$DATA/linked"
  expect_errno ENOENT limit 20 rm "$DATA/absent"
  # A little that is written and synced at once needs no COMMIT.
  [[ "$(fault count)" =~ dropped=[89]$ ]]
}

@test "replies are late: everything is slower, and nothing else" {
  serve_by_proxy
  fault delay 0.1
  limit 60 bash -c 'cd "$1" && for name in 1 2 3; do echo $name >$name || exit; done && cat 1 2 3' - "$DATA" >"$WORK/said"
  [ "$(cat "$WORK/said")" = $'1\n2\n3' ]
  expect_local_works
}

@test "a network that swallows everything, and comes back" {
  serve_by_proxy
  fault stall
  spawn bash -c 'echo text >"$1" && echo through' - "$DATA/file"
  wait_for 20 status_shows_silence
  expect_local_works
  fault pass
  wait_for 60 is_gone "$SPAWNED"
  grep -qx through "$WORK/spawned"
  [ "$(cat "$HOST/data/file")" = text ]
}
