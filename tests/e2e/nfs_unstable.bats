#!/usr/bin/env bats
# What a server had not on its disk when it restarted is sent again, until a COMMIT has said that it is safe by the verifier
# that the WRITEs had; and what it could not write is told once.

# shellcheck disable=SC2016,SC2153  # programs of Python; HOST is mount.bash's

load mount.bash
load nfs.bash

setup_file() {
  make_workspace
  # All tests of the file have one server and one mount.
  export HANG_LIMIT=1200
  local port
  read -r port < <(free_ports 1)
  spawn python3 -B "$BATS_TEST_DIRNAME/unstable_server.py" "$port" "$WORK/asked" "$WORK/server"
  wait_for 10 rpc_null "$port" 100003
  NFS_PORT=$port MOUNT_PORT=$port
  # Written in many WRITEs, but for the last. Who does not account for room sets a size otherwise.
  make_nfs_volume once path="$HOST/once" options=wsize=4096
  make_nfs_volume many path="$HOST/many" options=wsize=4096 modes=ReadWriteMany
  make_nfs_volume free path="$HOST/free" options=wsize=4096
  make_nfs_volume large path="$HOST/large"
  mount_claims once many large
  printf 'log: {level: info, file: "%s"}\ncapacity: {enforcement: none}\n' "$LOG" >"$WORK/free.yaml"
  CONFIG=$WORK/free.yaml mount_node node-b
  wait_for 10 limit 10 test -e "$MNT.node-b/default/free"
}
teardown_file() { drop_workspace; }
setup() { : >"$WORK/spawned"; }
teardown() { show_log_of_failure; }

# on CLAIM…: a program of Python, for each of them, with what is above the last lines here.
on() {
  PYTHONPATH=$BATS_TEST_DIRNAME limit 100 python3 -B -c '
import concurrent.futures, errno, mmap, os, random, sys
import unstable_server
mount, host, test, server, *claims = sys.argv[1:]
BLOCK, SIZE = 4096, 64 * 4096
chance = random.Random(7)

def tell(*words):
    return unstable_server.tell(server, *words)

class Since:
    """How much more the server counts than now."""
    def __init__(self, *names):
        self.before = [(name, tell("count", name)) for name in names]
    def __eq__(self, numbers):
        return self.seen() == numbers
    def __repr__(self):
        return str(self.seen())
    def seen(self):
        return tuple(tell("count", name) - before for name, before in self.before)

def make(name, size=SIZE):
    """A new file, and what is to be in it."""
    return os.open(f"{here}{name}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), chance.randbytes(size)

def write(file, data, offset=0, piece=1 << 20):
    for at in range(0, len(data), piece):
        part = data[at:at + piece]
        assert os.pwrite(file, part, offset + at) == len(part)

def write_unstable(file, data, offset=0):
    """Written, and all of it is in the memory of the server alone."""
    write(file, data, offset)
    tell("wait", "unstable", len(data))

def is_on_disk(name, data):
    with open(f"{there}{name}", "rb") as file:
        found = file.read()
    wrong = [at for at in range(0, max(len(data), len(found)), BLOCK) if data[at:at + BLOCK] != found[at:at + BLOCK]]
    assert not wrong, f"{name} has {len(found)} bytes of {len(data)}; not what was written: the blocks at {wrong}"

def fails_with(number, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == number, error
    else:
        raise AssertionError(f"should have failed: {errno.errorcode[number]}")

program = compile(sys.stdin.read(), "program", "exec")
for claim in claims:
    print(f"on {claim}:", flush=True)
    tree = f"{mount}.node-b" if claim == "free" else mount
    here, there = f"{tree}/default/{claim}/{test}.", f"{host}/{claim}/{test}."
    # Whatever an earlier test has left.
    tell("heal")
    tell("wait", "unstable", 0)
    exec(program, dict(globals()))
' "$MNT" "$HOST" "$BATS_TEST_NUMBER" "$WORK/server" "$@"
}

# --- while nothing happens

@test "while the server does not restart nothing is sent twice or waits for its disk, and one COMMIT is enough" {
  on once many <<'PY'
file, data = make("file")
since = Since("WRITE", "UNSTABLE", "COMMIT")
write_unstable(file, data)
is_on_disk("file", b"")
os.fsync(file)
is_on_disk("file", data)
os.close(file)
assert since == (64, 64, 1), since
PY
}

# --- what was lost

@test "a server that restarts before the fsync is sent everything again" {
  on once many <<'PY'
file, data = make("file")
write_unstable(file, data)
assert tell("crash") == SIZE
is_on_disk("file", b"")
os.fsync(file)
is_on_disk("file", data)
assert tell("crash") == 0
is_on_disk("file", data)
# And the new one is sent what is new.
data += chance.randbytes(SIZE)
since = Since("WRITE")
write_unstable(file, data[SIZE:], SIZE)
os.fsync(file)
is_on_disk("file", data)
assert since == (64,), since
PY
}

@test "whatever part of its verifier changes, a server that restarts is sent everything again" {
  on once many <<'PY'
file, _ = make("file")
for _ in range(8):
    data = chance.randbytes(4 * BLOCK)
    write_unstable(file, data)
    assert tell("crash") == 4 * BLOCK
    os.fsync(file)
    is_on_disk("file", data)
PY
}

@test "the verifier of a later WRITE says that earlier ones are lost: they are sent again before anybody asks for it" {
  on once many <<'PY'
file, data = make("file")
write_unstable(file, data[:SIZE // 2])
assert tell("crash") == SIZE // 2
since = Since("COMMIT")
write(file, data[SIZE // 2:], SIZE // 2)
tell("wait", "unstable", SIZE)
assert since == (0,), since
os.fsync(file)
is_on_disk("file", data)
PY
}

@test "a server that restarts several times while a large file is written, and once more before its COMMIT" {
  on once many <<'PY'
file, data = make("file", 1 << 20)
since = Since("crashes")
tell("crash", "after", "WRITE", 30, 90, 170)
write(file, data, piece=10000)
tell("crash", "before", "COMMIT", 1)
os.fsync(file)
assert since == (4,), since
is_on_disk("file", data)
assert tell("crash") == 0
PY
}

@test "a server that restarts at the COMMIT, before it has done it or after that" {
  on once many <<'PY'
for when, lost in (("before", SIZE), ("after", 0)):
    file, data = make(when)
    write_unstable(file, data)
    since = Since("crashes", "lost")
    tell("crash", when, "COMMIT", 1)
    os.fsync(file)
    assert since == (1, lost), since
    is_on_disk(when, data)
PY
}

@test "data that two restarts have lost is sent to the disk" {
  on once many <<'PY'
file, data = make("file")
write_unstable(file, data)
since = Since("crashes", "COMMIT", "FILE_SYNC")
# The second COMMIT, and the fourth, are the first and the third to who has restarted. There is no fifth.
tell("crash", "before", "COMMIT", 1, 3, 5)
os.fsync(file)
assert since == (2, 4, 64), since
is_on_disk("file", data)
PY
}

@test "a restart at the COMMIT that nobody waits for: of a file that is longer than what is kept until then" {
  on large <<'PY'
file, data = make("file", 20 << 20)
crashes, lost = tell("count", "crashes"), tell("count", "lost")
tell("crash", "before", "COMMIT", 1)
write(file, data)
tell("wait", "crashes", crashes + 1)
assert tell("count", "lost") - lost >= 16 << 20
os.fsync(file)
is_on_disk("file", data)
PY
}

@test "what was synced is neither lost nor sent again nor read otherwise when the server restarts" {
  on once many <<'PY'
file, data = make("file")
write(file, data)
os.fsync(file)
since = Since("WRITE")
assert tell("crash") == 0
is_on_disk("file", data)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
assert os.pread(file, 2 * SIZE, 0) == data
os.fsync(file)
os.close(file)
assert since == (0,), since
PY
}

@test "who reads sees what was written, and the size, although the server has lost it" {
  on once many <<'PY'
file, data = make("file")
reader = os.open(f"{here}file", os.O_RDONLY | os.O_DIRECT)
buffer = mmap.mmap(-1, SIZE)
write_unstable(file, data)
assert tell("crash") == SIZE
assert os.preadv(reader, [buffer], 0) == SIZE and buffer[:] == data
assert os.fstat(file).st_size == os.stat(f"{here}file").st_size == SIZE
os.fsync(file)
is_on_disk("file", data)
PY
}

@test "a restart while two files are written: both are sent again" {
  on once many <<'PY'
(one, of_one), (two, of_two) = make("one"), make("two")
write(one, of_one)
write(two, of_two)
tell("wait", "unstable", 2 * SIZE)
assert tell("crash") == 2 * SIZE
os.fsync(two)
is_on_disk("two", of_two)
is_on_disk("one", b"")
os.fsync(one)
is_on_disk("one", of_one)
# And in the middle of both.
def write_and_sync(file, data):
    write(file, data, piece=5000)
    os.fsync(file)
of_one, of_two = chance.randbytes(SIZE), chance.randbytes(SIZE)
since = Since("crashes")
tell("crash", "after", "WRITE", 20, 70, 110)
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for done in [pool.submit(write_and_sync, one, of_one), pool.submit(write_and_sync, two, of_two)]:
        done.result()
assert since == (3,), since
is_on_disk("one", of_one)
is_on_disk("two", of_two)
PY
}

@test "closing is as good as fsync, also for what was written through a mapping" {
  on once many <<'PY'
file, data = make("file")
write_unstable(file, data)
assert tell("crash") == SIZE
os.close(file)
is_on_disk("file", data)
file = os.open(f"{here}file", os.O_RDWR)
data = chance.randbytes(SIZE)
since = Since("crashes")
tell("crash", "before", "COMMIT", 1)
with mmap.mmap(file, SIZE) as mapped:
    mapped[:] = data
    mapped.flush()
os.close(file)
assert since == (1,), since
is_on_disk("file", data)
PY
}

@test "what is written over, cut off and written behind a hole is as it was meant, and nothing old comes again" {
  on once many free <<'PY'
file, data = make("file")
data = bytearray(data)
write_unstable(file, data)
assert tell("crash") == SIZE
# Over what is lost, across the borders of blocks; then some of both is cut off.
data[5000:25000] = chance.randbytes(20000)
write(file, data[5000:25000], 5000)
os.ftruncate(file, 20001)
del data[20001:]
os.ftruncate(file, 30000)
data += bytes(9999)
os.fsync(file)
is_on_disk("file", data)
# Cut off before it is lost.
data = chance.randbytes(SIZE)
write_unstable(file, data)
os.ftruncate(file, 50001)
tail = chance.randbytes(3 * BLOCK)
write(file, tail, 70000)
lost = tell("crash")
# Where room is accounted it has been committed before.
assert claim != "free" or lost >= 50001, lost
data = data[:50001] + bytes(19999) + tail
os.fsync(file)
is_on_disk("file", data)
# Cut off when it is lost: nothing is left to be sent.
write_unstable(file, chance.randbytes(2 * SIZE))
assert tell("crash") == 2 * SIZE
os.ftruncate(file, 0)
since = Since("WRITE")
os.fsync(file)
os.close(file)
assert since == (0,), since
is_on_disk("file", b"")
PY
}

@test "a file that is moved and one that is removed while what they have is lost" {
  on once many <<'PY'
(moved, data), (removed, other) = make("old"), make("gone")
write(moved, data)
write(removed, other)
tell("wait", "unstable", 2 * SIZE)
os.rename(f"{here}old", f"{here}new")
os.unlink(f"{here}gone")
assert tell("crash") == 2 * SIZE
os.fsync(moved)
is_on_disk("new", data)
os.fsync(removed)
os.posix_fadvise(removed, 0, 0, os.POSIX_FADV_DONTNEED)
assert os.pread(removed, 2 * SIZE, 0) == other
os.close(removed)
PY
}

# --- what could not be written

@test "a WRITE that fails is told once, by fsync or by close, and then all is well" {
  on once many <<'PY'
for status, number in (("IO", errno.EIO), ("NOSPC", errno.ENOSPC)):
    for end in (os.fsync, os.close):
        name = f"{status}.{end.__name__}"
        file, data = make(name)
        other = os.open(f"{here}{name}", os.O_RDWR)
        tell("fail", "WRITE", status, 1)
        write(file, data)
        fails_with(number, end, file)
        if end == os.fsync:
            os.fsync(file)
            os.close(file)
        # To everybody who had it open.
        fails_with(number, os.fsync, other)
        os.fsync(other)
        write(other, data)
        os.close(other)
        is_on_disk(name, data)
PY
}

@test "a COMMIT that fails is told once, by fsync or by close, and then all is well" {
  on once many <<'PY'
for end in (os.fsync, os.close):
    name = end.__name__
    file, data = make(name)
    other = os.open(f"{here}{name}", os.O_RDWR)
    write_unstable(file, data)
    tell("fail", "COMMIT", "IO", 1)
    fails_with(errno.EIO, end, file)
    if end == os.fsync:
        os.fsync(file)
        os.close(file)
    fails_with(errno.EIO, os.fsync, other)
    os.fsync(other)
    write(other, data)
    os.close(other)
    is_on_disk(name, data)
PY
}

@test "a server that is full and stays so: write(2) says so, too, until there is room again" {
  on once many <<'PY'
file, data = make("file")
tell("fail", "WRITE", "NOSPC")
write(file, data)
fails_with(errno.ENOSPC, os.fsync, file)
fails_with(errno.ENOSPC, write, file, data)
tell("heal")
write(file, data)
os.fsync(file)
os.close(file)
is_on_disk("file", data)
PY
}

@test "data that is lost and cannot be written again: fsync says so, once" {
  on once many <<'PY'
file, data = make("file")
write_unstable(file, data)
assert tell("crash") == SIZE
tell("fail", "WRITE", "NOSPC")
fails_with(errno.ENOSPC, os.fsync, file)
os.fsync(file)
tell("heal")
write(file, data)
os.fsync(file)
is_on_disk("file", data)
PY
}

@test "a server that asks for a moment, and restarts before that is over, has failed nothing" {
  on once many <<'PY'
file, data = make("file")
tell("fail", "WRITE", "JUKEBOX", 3)
write_unstable(file, data)
since = Since("crashes", "lost")
tell("fail", "COMMIT", "JUKEBOX", 1)
tell("crash", "before", "COMMIT", 2)
os.fsync(file)
assert since == (1, SIZE), since
is_on_disk("file", data)
PY
}
