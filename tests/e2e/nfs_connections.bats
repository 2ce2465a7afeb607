#!/usr/bin/env bats
# What goes over the wire to a server: by how many connections, in what sizes, and that nothing depends on which of them is
# answered first.

# shellcheck disable=SC2016,SC2153,SC2317  # programs of Python; HOST is mount.bash's; functions that wait_for calls

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
  drop_workspace
}

proxied() { make_nfs_volume "$1" port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT" "${@:2}"; }
connected() { expect_text "connections=$1 " "$(fault count)"; }
# used_by_many DIRECTORY COUNT: more ask at the same time than could have a connection each, and there are COUNT then.
used_by_many() {
  limit 30 bash -c 'cd "$1" && for number in {1..40}; do [ -e "absent-$2-$number" ] & done; wait' - "$1" "$RANDOM"
  # Those to MOUNT end by themselves.
  wait_for 10 connected "$2"
}

@test "a volume has as many connections as nconnect says, or the configuration, or four" {
  proxied silent
  proxied one options=nconnect=1
  proxied four options=nconnect=4
  proxied sixteen options=nconnect=16
  mount_claims silent one four sixteen
  connected 0
  # So long does each call need a connection.
  fault delay 0.3
  used_by_many "$MNT/default/silent" 4
  used_by_many "$MNT/default/one" 5
  used_by_many "$MNT/default/four" 9
  used_by_many "$MNT/default/sixteen" 25
  # When they are cut there are as many again, and no more.
  fault cut
  used_by_many "$MNT/default/sixteen" 16
  unmount_tree
  wait_for 10 connected 0
  echo 'nfs: {connections: 3}' >>"$CONFIG"
  mount_claims silent four
  used_by_many "$MNT/default/silent" 3
  used_by_many "$MNT/default/four" 7
}

@test "one connection is answered later than the others: all that is written, read, made and renamed is right" {
  proxied data options=nconnect=4
  mount_claims data
  limit 10 ls "$MNT/default/data"
  fault stagger 0.03
  limit 120 python3 - "$MNT/default/data" "$HOST/data" <<'PY'
import concurrent.futures, os, random, sys
here, there = sys.argv[1:]
SIZE = 3 << 20
seed = random.randrange(1 << 32)
print("seed", seed)

def expect(file, model):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    got = b"".join(iter(lambda: os.read(file, 1 << 20), b""))
    wrong = next((at for at in range(min(len(got), len(model))) if got[at] != model[at]), None)
    assert got == model, f"{len(got)} bytes of {len(model)}, the first that is wrong at {wrong}"

def work(worker):
    chance = random.Random(seed + worker)
    directory = f"{here}/{worker}"
    os.mkdir(directory)
    name = f"{directory}/file"
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    model = bytearray()
    for step in range(40):
        # Over what is on its way, too.
        at, size = chance.randrange(SIZE), chance.choice((100, 5000, 300000))
        data = chance.randbytes(size)
        assert os.pwrite(file, data, at) == size
        model.extend(bytes(max(0, at + size - len(model))))
        model[at:at + size] = data
        what = chance.randrange(8)
        if what == 0:
            os.fsync(file)
        elif what == 1:
            size = chance.randrange(SIZE)
            os.ftruncate(file, size)
            model = model[:size] + bytes(max(0, size - len(model)))
        elif what == 2:
            os.close(file)
            os.rename(name, name + "'")
            name += "'"
            file = os.open(name, os.O_RDWR)
            assert os.listdir(directory) == [os.path.basename(name)], os.listdir(directory)
        elif what == 3:
            os.lseek(file, 0, os.SEEK_SET)
            expect(file, model)
        elif what == 4:
            made = f"{directory}/made-{step}"
            with open(made, "x") as other:
                other.write(made)
            os.link(made, made + "-linked")
            os.unlink(made)
            assert open(made + "-linked").read() == made and not os.path.exists(made)
            os.unlink(made + "-linked")
        assert os.fstat(file).st_size == len(model), (os.fstat(file).st_size, len(model))
    os.close(file)
    file = os.open(name, os.O_RDONLY)
    expect(file, model)
    os.close(file)
    assert open(name.replace(here, there), "rb").read() == model

with concurrent.futures.ProcessPoolExecutor(6) as pool:
    for each in [pool.submit(work, worker) for worker in range(6)]:
        each.result(timeout=110)
PY
  local overtaken
  overtaken=$(fault overtaken)
  [ "$overtaken" -ge 100 ] || { echo "only $overtaken replies went before an earlier one"; return 1; }
}

# calls_for MEBIBYTES FILE: the READs and WRITEs of writing and reading so much.
calls_for() {
  fault procedures >/dev/null
  limit 60 python3 - "$1" "$2" <<'PY'
import os, sys
data = os.urandom(int(sys.argv[1]) << 20)
file = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
assert os.write(file, data) == len(data)
os.fsync(file)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
assert os.pread(file, len(data), 0) == data
PY
  fault procedures | tr ' ' '\n' | grep -E '^(READ|WRITE)=' | tr '\n' ' '
}

@test "READs and WRITEs are as large as rsize and wsize say" {
  proxied small options='rsize=65536, wsize=65536'
  proxied uneven options='rsize=33000, wsize=17000'
  proxied large
  mount_claims small uneven large
  [ "$(calls_for 8 "$MNT/default/small/file")" = 'READ=128 WRITE=128 ' ]
  # Rounded down to whole KiB: 32 and 16 of them.
  [ "$(calls_for 8 "$MNT/default/uneven/file")" = 'READ=256 WRITE=512 ' ]
  local calls
  calls=$(calls_for 8 "$MNT/default/large/file")
  [[ $calls =~ ^READ=([0-9]+)\ WRITE=8\ $ ]] || { echo "$calls"; return 1; }
  [ "${BASH_REMATCH[1]}" -le 32 ] || { echo "$calls"; return 1; }
}
