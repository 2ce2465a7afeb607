#!/usr/bin/env bats
# A claim holds what its capacity allows and no more: writers get ENOSPC, df agrees, du of the host's directory never
# shows more.
# shellcheck disable=SC2317  # functions that wait_for calls

load mount.bash
load capacity.bash

setup() {
  make_workspace
  DATA=$MNT/default/data
}

teardown() {
  show_log_of_failure
  drop_workspace
}

# data_of SIZE…: a claim of that capacity, in the tree.
data_of() {
  make_volume data capacity="$1" "${@:2}"
  mount_claims data
}

grow_to() { claimfs patch pvc data -p "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"$1\"}}}}"; }

@test "filling a claim: a short write, then ENOSPC; df is at 100 %, and one event says so" {
  data_of 20Mi
  run -1 limit 60 python3 - "$DATA/file" <<'PY'
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
sizes = []
try:
    while True:
        sizes.append(os.write(file, bytes(1 << 20)))
except OSError as error:
    print(error.strerror, sizes[-1] < 1 << 20)
    sys.exit(1)
PY
  [ "$output" = "No space left on device True" ]
  is_full $((20 * MI))
  [ "$(df_of pcent)" = 100 ]
  [ "$(df_of size)" = $((20 * MI)) ]
  [ $(($(df_of used) + $(df_of avail))) = $((20 * MI)) ]
  one_event() { [ "$(claimfs get events | grep -c 'Warning.*VolumeFull.*persistentvolumeclaim/data')" = 1 ]; }
  wait_for 5 one_event
  for _ in 1 2 3; do expect_errno ENOSPC write "$DATA/more" bs=64k count=1; done
  one_event
  # Removing makes room.
  rm "$DATA/file"
  write "$DATA/other" bs=1M count=18
}

@test "sixteen writers at once never pass the limit" {
  data_of 64Mi
  for i in $(seq 16); do spawn dd if=/dev/zero of="$DATA/$i" bs=64k; done
  look() {
    occupied >>"$WORK/seen"
    is_full $((64 * MI))
  }
  wait_for 30 look
  sync
  # The most that was seen at any moment.
  [ "$(sort -n "$WORK/seen" | tail -n 1)" -le $((64 * MI)) ]
  [ "$(occupied)" -le $((64 * MI)) ]
}

@test "holes, truncation and hard links cost nothing; what is open without a name does" {
  data_of 20Mi
  truncate -s 1G "$DATA/sparse"
  write "$DATA/sparse" bs=1M count=2 seek=500 conv=notrunc
  write "$DATA/file" bs=1M count=10
  for i in $(seq 20); do ln "$DATA/file" "$DATA/link$i"; done
  [ "$(df_of used)" -lt $((13 * MI)) ]
  rm "$DATA"/link* "$DATA/sparse"
  # Open without a name.
  exec 7<"$DATA/file"
  rm "$DATA/file"
  fill "$DATA/next"
  [ "$(stat -c %s "$DATA/next")" -lt $((10 * MI)) ]
  exec 7<&-
  room() { write "$DATA/next" bs=1M count=18; }
  wait_for 5 room
  truncate -s 1M "$DATA/next"
  write "$DATA/again" bs=1M count=17
}

@test "preallocation counts, and pays for what is written there; punching holes gives back" {
  data_of 20Mi
  fallocate -l 8M "$DATA/file"
  fallocate -n -o 100M -l 8M "$DATA/file"
  [ "$(df_of used)" -ge $((16 * MI)) ]
  expect_errno ENOSPC fallocate -o 200M -l 8M "$DATA/file"
  [ "$(occupied)" -lt $((17 * MI)) ]
  fill "$DATA/rest"
  write "$DATA/file" bs=1M count=8 conv=notrunc
  is_full $((20 * MI))
  fallocate -p -o 0 -l 8M "$DATA/file"
  write "$DATA/more" bs=1M count=7
}

@test "replacing a file gives back what it held; a name is found for it even at the limit" {
  data_of 20Mi
  write "$DATA/old" bs=1M count=9
  write "$DATA/new" bs=1M count=9
  fill "$DATA/rest"
  mv "$DATA/new" "$DATA/old"
  rm "$DATA/rest"
  write "$DATA/more" bs=1M count=9
}

@test "files without a name and copies inside the kernel are counted" {
  data_of 20Mi
  limit 60 python3 - "$DATA" <<'PY'
import errno, os, sys
where = sys.argv[1]
nameless = os.open(where, os.O_TMPFILE | os.O_RDWR)
written = 0
try:
    while True:
        written += os.write(nameless, bytes(1 << 20))
except OSError as error:
    assert error.errno == errno.ENOSPC
assert 18 << 20 < written <= 20 << 20, written
os.close(nameless)
PY
  write "$DATA/source" bs=1M count=8
  limit 60 python3 - "$DATA" <<'PY'
import errno, os, sys
where = sys.argv[1]
source = os.open(where + '/source', os.O_RDONLY)
copied = 0
try:
    for number in range(3):
        target = os.open(where + f'/copy{number}', os.O_WRONLY | os.O_CREAT)
        offset = 0
        while offset < 8 << 20:
            offset += (count := os.copy_file_range(source, target, (8 << 20) - offset, offset))
            copied += count
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert 10 << 20 < copied <= 12 << 20, copied
PY
  is_full $((20 * MI))
}

@test "what is there is overwritten in place at the limit, as a database does" {
  data_of 20Mi
  local db=$DATA/database
  sqlite3 "$db" 'CREATE TABLE t (id INTEGER PRIMARY KEY, text); BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT i, printf("%0100d", i) FROM n; COMMIT'
  fill "$DATA/rest"
  fill "$DATA/rest2" 4k
  sqlite3 "$db" 'PRAGMA journal_mode = MEMORY; UPDATE t SET text = printf("%0100d", id + 1)' >/dev/null
  [ "$(sqlite3 "$db" 'PRAGMA integrity_check; SELECT max(text) + 0 FROM t')" = $'ok\n20001' ]
  is_full $((20 * MI))
}

@test "floods of directories, names and attributes end at the limit" {
  data_of 5Mi
  limit 120 python3 - "$DATA" <<'PY'
import errno, os, sys
where = sys.argv[1]
def flood(what):
    for number in range(20000):
        try:
            what(number)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            return number
    raise AssertionError('no end')
print(flood(lambda n: os.mkdir(f'{where}/directory{n}')), 'directories')
for n in range(300):
    os.rmdir(f'{where}/directory{n}')
open(where + '/plain', 'w').close()
def attribute(n):
    open(f'{where}/file{n}', 'w').close()
    os.setxattr(f'{where}/file{n}', 'user.large', os.urandom(3000))
print(flood(attribute), 'attributes')
PY
  [ "$(occupied)" -le $((5 * MI)) ]
  [ "$(df_of pcent)" -ge 99 ]
}

@test "a claim that grows lets its writers go on at once" {
  cat >"$MANIFESTS/data.yaml" <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: claimfs.io/host-path
parameters: {root: "$HOST"}
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: fast
  resources: {requests: {storage: 10Mi}}
YAML
  mount_claims data
  fill "$DATA/file"
  [ "$(stat -c %s "$DATA/file")" -le $((10 * MI)) ]
  grow_to 20Mi
  on() { write "$DATA/more" bs=1M count=9; }
  wait_for 5 on
  expect_errno ENOSPC write "$DATA/over" bs=1M count=3
}

@test "two mounts of one volume share its capacity, to the end" {
  data_of 64Mi modes=ReadWriteMany
  two_mounts_fill $((64 * MI))
}

@test "the limit survives the daemon" {
  data_of 20Mi
  limit_survives_daemon $((20 * MI))
}

@test "what is stored through a shared map is found out, and from then on the volume is full" {
  data_of 10Mi
  limit 60 python3 - "$DATA/mapped" <<'PY'
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.truncate(file, 32 << 20)
with mmap.mmap(file, 32 << 20) as memory:
    os.close(file)
    for at in range(0, 12 << 20, 4096):
        memory[at] = 1
PY
  full() { expect_errno ENOSPC write "$DATA/other" bs=64k count=1; }
  wait_for 5 full
  [ "$(df_of pcent)" = 100 ]
  rm "$DATA/mapped"
  room() { write "$DATA/other" bs=1M count=8; }
  wait_for 5 room
}

@test "only writers pay: what readers read does not come to the daemon" {
  data_of 2Gi
  write "$DATA/file" bs=1M count=64
  local pid before after
  pid=$(daemon_pid)
  read_calls() { awk '/^rchar/ {print $2}' "/proc/$pid/io"; }
  before=$(read_calls)
  limit 60 cat "$DATA/file" >/dev/null
  limit 60 cat "$DATA/file" >/dev/null
  after=$(read_calls)
  [ $((after - before)) -lt "$MI" ]
  # While somebody writes it, too, and what they write is seen.
  exec 7<>"$DATA/file"
  printf written >&7
  [ "$(head -c 7 "$DATA/file")" = written ]
  [ "$(head -c 7 "$HOST/data/file")" = written ]
  exec 7>&-
  grep -qE '^default/data +2Gi +accounting ' "$MNT/.claimfs/status"
  grep -q 'claimfs_volume_capacity_bytes{.*persistentvolumeclaim="data",enforcement="accounting"} 2147483648' \
    "$MNT/.claimfs/metrics"
}

@test "what was there before is counted; what the host removes beside us is room" {
  mkdir "$HOST/data"
  dd if=/dev/zero of="$HOST/data/foreign" bs=1M count=15 status=none
  data_of 20Mi
  [ "$(limit 10 getfattr --absolute-names --only-values -n user.claimfs.used "$DATA")" = "$(occupied)" ]
  fill "$DATA/file"
  [ "$(stat -c %s "$DATA/file")" -lt $((5 * MI)) ]
  rm "$HOST/data/foreign"
  room() { write "$DATA/file" bs=1M count=14; }
  wait_for 5 room
}

@test "enforcement can be switched off; a reader's volume has none" {
  printf 'log: {level: info, file: "%s"}\ncapacity: {enforcement: none}\n' "$LOG" >"$CONFIG"
  make_volume readers capacity=5Mi modes=ReadOnlyMany
  data_of 5Mi
  write "$DATA/file" bs=1M count=10
  [ "$(df_of pcent)" = 100 ]
  grep -q '^capacity enforcement: none' "$MNT/.claimfs/status"
  unmount_tree
  printf 'log: {level: info, file: "%s"}\n' "$LOG" >"$CONFIG"
  mount_claims data readers
  grep -qE '^default/readers +5Mi +none ' "$MNT/.claimfs/status"
  expect_errno ENOSPC write "$DATA/more" bs=64k count=1
  rm "$DATA/file"
  write "$DATA/more" bs=1M count=4
}

@test "a volume's usage goes with the volume" {
  make_volume other
  data_of 5Mi
  write "$DATA/file" bs=64k count=1
  claimfs get volumeusage pv-data
  rm "$MANIFESTS/data.yaml"
  wait_for 10 not_in_tree default/data
  gone() { ! claimfs get volumeusage pv-data; }
  wait_for 40 gone
}

@test "a btrfs subvolume with quotas keeps the limit itself; nobody sees EDQUOT" {
  truncate -s 2G "$WORK/btrfs.img"
  mkfs.btrfs -q "$WORK/btrfs.img" >/dev/null
  mkdir "$WORK/btrfs"
  mount -o loop "$WORK/btrfs.img" "$WORK/btrfs"
  btrfs quota enable "$WORK/btrfs"
  btrfs subvolume create "$WORK/btrfs/volume" >/dev/null
  btrfs subvolume create "$WORK/btrfs/other" >/dev/null
  mkdir "$WORK/btrfs/directory"
  make_volume plain path="$WORK/btrfs/directory"
  data_of 64Mi path="$WORK/btrfs/volume"
  wait_for 10 in_tree default/plain
  fill "$DATA/file"
  [ "$(df_of pcent)" = 100 ]
  [ $(($(df_of used) + $(df_of avail))) = $((64 * MI)) ]
  expect_errno ENOSPC mkdir "$DATA/directory"
  expect_errno ENOSPC fallocate -l 1M "$DATA/file2"
  grep -qE '^default/data +64Mi +quota ' "$MNT/.claimfs/status"
  limit 10 touch "$MNT/default/plain/file"  # begins to use it
  grep -qE '^default/plain +2Gi +accounting ' "$MNT/.claimfs/status"
  # What was removed makes room for who writes at once.
  for _ in 1 2 3; do
    rm "$DATA/file"
    write "$DATA/file" bs=1M count=60
  done
  [[ $(btrfs qgroup show --raw -r "$WORK/btrfs") == *" $((64 * MI)) "* ]]
}
